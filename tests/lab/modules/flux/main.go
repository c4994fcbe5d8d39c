// Command flux applies the objects on its standard input as one run of kustomize-controller would: its library, with
// the options that KustomizationReconciler gives it (internal/controller/kustomization_controller.go).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const controller = "kustomize-controller"

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of the cluster")
	kustomization := flag.String("kustomization", "", "file with the Kustomization")
	flag.Parse()
	changes, err := reconcile(*kubeconfig, *kustomization)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(changes)
}

func reconcile(kubeconfig, kustomization string) (map[string]string, error) {
	text, err := os.ReadFile(kustomization)
	if err != nil {
		return nil, err
	}
	wanted := &v1.Kustomization{}
	if err := yaml.UnmarshalStrict(text, wanted); err != nil {
		return nil, err
	}
	git, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	objects, err := utils.ReadObjects(strings.NewReader(string(git)))
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	kubernetes, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	manager := ssa.NewResourceManager(kubernetes, nil, ssa.Owner{Field: controller, Group: v1.GroupVersion.Group})
	manager.SetOwnerLabels(objects, wanted.Name, wanted.Namespace)
	if err := normalize.UnstructuredList(objects); err != nil {
		return nil, err
	}
	done, err := manager.ApplyAllStaged(context.Background(), objects, options(wanted))
	if err != nil {
		return nil, err
	}
	changes := map[string]string{}
	for _, one := range done.Entries {
		changes[one.Subject] = string(one.Action)
	}
	return changes, nil
}

func options(wanted *v1.Kustomization) ssa.ApplyOptions {
	group := v1.GroupVersion.Group
	options := ssa.DefaultApplyOptions()
	options.Force = wanted.Spec.Force
	options.ExclusionSelector = map[string]string{
		group + "/reconcile": v1.DisabledValue,
		group + "/ssa":       v1.IgnoreValue,
	}
	options.IfNotPresentSelector = map[string]string{group + "/ssa": v1.IfNotPresentValue}
	options.ForceSelector = map[string]string{group + "/force": v1.EnabledValue}
	for _, rule := range wanted.Spec.Ignore {
		ignored := jsondiff.IgnoreRule{Paths: rule.Paths}
		if target := rule.Target; target != nil {
			ignored.Selector = &jsondiff.Selector{
				Group:              target.Group,
				Version:            target.Version,
				Kind:               target.Kind,
				Name:               target.Name,
				Namespace:          target.Namespace,
				AnnotationSelector: target.AnnotationSelector,
				LabelSelector:      target.LabelSelector,
			}
		}
		options.DriftIgnoreRules = append(options.DriftIgnoreRules, ignored)
	}
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{
			corev1.LastAppliedConfigAnnotation,
			"kustomize.toolkit.fluxcd.io/checksum",
			"fluxcd.io/sync-checksum",
		},
		Labels: []string{"fluxcd.io/sync-gc-mark"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: controller, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{group + "/ssa": v1.MergeValue},
	}
	return options
}
