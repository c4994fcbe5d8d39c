{{- define "cutover.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "cutover.selector" -}}
app.kubernetes.io/name: cutover
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cutover.labels" -}}
{{ include "cutover.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "cutover.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "cutover.name" .) }}
{{- end }}

{{- define "cutover.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}{{ end }}
{{- end }}

{{- define "cutover.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "cutover.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* What the operator may do in each namespace that it watches. */}}
{{- define "cutover.rules" -}}
- apiGroups: [cutover.dev]
  resources: [migrationrollouts]
  verbs: [get, list, watch, patch] # patch: the finalizer
- apiGroups: [cutover.dev]
  resources: [migrationrollouts/status]
  verbs: [patch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, patch]
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, watch, patch]
- apiGroups: [externaldns.k8s.io]
  resources: [dnsendpoints]
  verbs: [get, list, watch, patch]
- apiGroups: [projectcontour.io]
  resources: [httpproxies]
  verbs: [get, list, watch, patch]
- apiGroups: [traefik.io]
  resources: [traefikservices]
  verbs: [get, list, watch, patch]
- apiGroups: [networking.k8s.io] # weights in annotations: albIngress, nginxCanary
  resources: [ingresses]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""] # golden sets that a rollout names
  resources: [configmaps]
  verbs: [get]
- apiGroups: [apps] # how many replicas of a workload that a rollout names are ready
  resources: [deployments, statefulsets]
  verbs: [get]
- apiGroups: [serving.kserve.io]
  resources: [inferenceservices, llminferenceservices]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, create, patch]
{{- with .Values.rbac.extraRules }}
{{ toYaml . }}
{{- end }}
{{- if .Values.rbac.scaleSource }}
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [patch]
- apiGroups: [serving.kserve.io]
  resources: [inferenceservices, llminferenceservices]
  verbs: [patch]
- apiGroups: [autoscaling] # which of them would scale it up again
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, patch]
{{- end }}
{{- if .Values.clusterProfiles }}
{{ include "cutover.profileRules" . }}
{{- end }}
{{- end }}

{{/* Clusters that rollouts name by clusterProfileRef. */}}
{{- define "cutover.profileRules" -}}
- apiGroups: [multicluster.x-k8s.io]
  resources: [clusterprofiles]
  verbs: [get]
{{- end }}
