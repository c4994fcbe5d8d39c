package main

import (
	"encoding/json"

	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	jsonpatch "github.com/evanphx/json-patch"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// keepIgnored is what RespectIgnoreDifferences=true is for: the target, with the cluster's values wherever the
// Application ignores a difference. Argo CD's packages say what is ignored (`Normalize` leaves it out of both sides);
// what they left out of the live object goes into the target as a JSON merge patch, in which a list is one value.
// That is also how Argo CD merges custom resources, whose schemas name no patch strategy, and annotations; its
// strategic merge of built-in kinds' lists is not done here.
func keepIgnored(target, live *unstructured.Unstructured, config argodiff.DiffConfig) (*unstructured.Unstructured, error) {
	if live == nil {
		return target, nil
	}
	compared, err := argodiff.Normalize(
		[]*unstructured.Unstructured{live}, []*unstructured.Unstructured{target}, config)
	if err != nil {
		return nil, err
	}
	bare, err := withoutStatus(compared.Lives[0])
	if err != nil {
		return nil, err
	}
	whole, err := withoutStatus(live)
	if err != nil {
		return nil, err
	}
	ignored, err := jsonpatch.CreateMergePatch(bare, whole)
	if err != nil {
		return nil, err
	}
	wanted, err := json.Marshal(compared.Targets[0])
	if err != nil {
		return nil, err
	}
	text, err := jsonpatch.MergePatch(wanted, ignored)
	if err != nil {
		return nil, err
	}
	kept := &unstructured.Unstructured{}
	return kept, kept.UnmarshalJSON(text)
}

func withoutStatus(object *unstructured.Unstructured) ([]byte, error) {
	object = object.DeepCopy()
	unstructured.RemoveNestedField(object.Object, "status")
	return json.Marshal(object)
}
