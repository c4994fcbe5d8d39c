// Command argocd compares the object on its standard input with the cluster's and syncs it, as Argo CD's application
// controller does: its packages, called as `CompareAppState` and `SyncAppState` call them (controller/state.go, sync.go).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	cdcommon "github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	kubeutil "github.com/argoproj/argo-cd/v3/util/kube"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/sync/resource"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	log "github.com/sirupsen/logrus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// Outcome says what the comparison found, and what a sync did.
type Outcome struct {
	Status  v1alpha1.SyncStatusCode `json:"status"`
	Phase   common.OperationPhase   `json:"phase,omitempty"`
	Message string                  `json:"message,omitempty"`
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of the cluster")
	application := flag.String("application", "", "file with the Application")
	doSync := flag.String("sync", "never", "never, always, or out-of-sync: as with selfHeal")
	flag.Parse()
	log.SetOutput(io.Discard)
	outcome, err := reconcile(*kubeconfig, *application, *doSync)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(outcome)
}

func reconcile(kubeconfig, application string, doSync string) (*Outcome, error) {
	app := &v1alpha1.Application{}
	text, err := os.ReadFile(application)
	if err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalStrict(text, app); err != nil {
		return nil, err
	}
	text, err = io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	target := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, target); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 100 // Argo CD's defaults
	engine := &engine{config: config, app: app, kubectl: kubeutil.NewKubectl()}
	return engine.run(target, doSync)
}

type engine struct {
	config  *rest.Config
	app     *v1alpha1.Application
	kubectl kube.Kubectl
}

func (e *engine) options() v1alpha1.SyncOptions {
	if e.app.Spec.SyncPolicy == nil {
		return nil
	}
	return e.app.Spec.SyncPolicy.SyncOptions
}

func (e *engine) run(target *unstructured.Unstructured, doSync string) (*Outcome, error) {
	schema, parser, err := e.kubectl.LoadOpenAPISchema(e.config)
	if err != nil {
		return nil, err
	}
	namespace := target.GetNamespace()
	err = argo.NewResourceTracking().SetAppInstance(
		target, cdcommon.LabelKeyAppInstance, e.app.Name, namespace, v1alpha1.TrackingMethodAnnotation, "")
	if err != nil {
		return nil, err
	}
	live, err := e.kubectl.GetResource(
		context.Background(), e.config, target.GroupVersionKind(), target.GetName(), namespace)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	if apierrors.IsNotFound(err) {
		live = nil
	}
	// What SettingsManager answers where argocd-cm says nothing.
	overrides := map[string]v1alpha1.ResourceOverride{
		"*/*": {IgnoreDifferences: v1alpha1.OverrideIgnoreDiff{JSONPointers: []string{"/status"}}},
	}
	serverSideDiff := resource.HasAnnotationOption(e.app, cdcommon.AnnotationCompareOptions, "ServerSideDiff=true")
	builder := argodiff.NewDiffConfigBuilder().
		WithDiffSettings(e.app.Spec.IgnoreDifferences, overrides, false, normalizers.IgnoreNormalizerOpts{}).
		WithTracking(cdcommon.LabelKeyAppInstance, string(v1alpha1.TrackingMethodAnnotation)).
		WithNoCache().
		WithGVKParser(parser).
		WithManager(cdcommon.ArgoCDSSAManager).
		WithServerSideDiff(serverSideDiff).
		WithStructuredMergeDiff(e.options().HasOption("ServerSideApply=true"))
	if serverSideDiff {
		nothing := func(string) (kube.CleanupFunc, error) { return func() {}, nil }
		applier, cleanup, err := kubeutil.ManageServerSideDiffDryRuns(e.config, schema, nothing)
		if err != nil {
			return nil, err
		}
		defer cleanup()
		builder.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))
	}
	diffConfig, err := builder.Build()
	if err != nil {
		return nil, err
	}
	found := sync.ReconciliationResult{
		Live:   []*unstructured.Unstructured{live},
		Target: []*unstructured.Unstructured{target},
	}
	differences, err := argodiff.StateDiffs(found.Live, found.Target, diffConfig)
	if err != nil {
		return nil, err
	}
	outcome := &Outcome{Status: v1alpha1.SyncStatusCodeSynced}
	if differences.Modified || live == nil {
		outcome.Status = v1alpha1.SyncStatusCodeOutOfSync
	}
	if doSync == "never" || doSync == "out-of-sync" && outcome.Status == v1alpha1.SyncStatusCodeSynced {
		return outcome, nil
	}
	if e.options().HasOption("RespectIgnoreDifferences=true") {
		if found.Target[0], err = keepIgnored(target, live, diffConfig); err != nil {
			return nil, err
		}
	}
	context, cleanup, err := sync.NewSyncContext("main", found, e.config, e.config, e.kubectl, namespace, schema,
		sync.WithOperationSettings(false, false, false, false),
		sync.WithInitialState(common.OperationRunning, "", nil, metav1.Now()),
		sync.WithSyncWaveHook(func(common.SyncPhase, int, bool) error { return nil }),
		sync.WithManifestValidation(!e.options().HasOption(common.SyncOptionsDisableValidation)),
		sync.WithResourceModificationChecker(e.options().HasOption("ApplyOutOfSyncOnly=true"), differences),
		sync.WithReplace(e.options().HasOption(common.SyncOptionReplace)),
		sync.WithServerSideApply(e.options().HasOption(common.SyncOptionServerSideApply)),
		sync.WithServerSideApplyManager(cdcommon.ArgoCDSSAManager),
		sync.WithClientSideApplyMigration(
			!e.options().HasOption(common.SyncOptionDisableClientSideApplyMigration),
			common.DefaultClientSideApplyMigrationManager),
	)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		context.Sync()
		var results []common.ResourceSyncResult
		outcome.Phase, outcome.Message, results = context.GetState()
		if outcome.Phase.Completed() {
			if !outcome.Phase.Successful() {
				return nil, fmt.Errorf("%s: %v", outcome.Message, results)
			}
			return outcome, nil
		}
		if time.Now().After(until) {
			return nil, errors.New("the sync does not end: " + outcome.Message)
		}
	}
}
