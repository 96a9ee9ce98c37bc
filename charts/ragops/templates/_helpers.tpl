{{/* Name of the installed objects. Short enough for the longest suffix (-metrics) in a Service's 63 characters. */}}
{{- define "ragops.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What every pod of the release has; a NetworkPolicy selects by it. */}}
{{- define "ragops.releaseLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the operator's pods, and not the test's. Immutable in a Deployment. */}}
{{- define "ragops.selectorLabels" -}}
{{ include "ragops.releaseLabels" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Labels of every object of the release. */}}
{{- define "ragops.labels" -}}
{{ include "ragops.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Reference of an image. Takes a dict: image (an entry of .Values.images), root (the top scope). */}}
{{- define "ragops.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "ragops.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "ragops.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Folder of the decision log; empty where it is no file. */}}
{{- define "ragops.decisionLogFolder" -}}
{{- if and .Values.decisionLog.enabled (ne .Values.decisionLog.path "-") -}}
{{ dir .Values.decisionLog.path }}
{{- end -}}
{{- end -}}

{{/* Subject of every binding to the operator. */}}
{{- define "ragops.subjects" -}}
- kind: ServiceAccount
  name: {{ include "ragops.fullname" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* What the operator may do in the namespaces it watches. */}}
{{- define "ragops.rules" -}}
- apiGroups: [ragops.dev]
  resources: [ragdeployments]
  verbs: [list, watch]
- apiGroups: [ragops.dev]
  resources: [ragdeployments/status]
  verbs: [patch]
# For owner references with blockOwnerDeletion, where the cluster enforces permissions on them.
- apiGroups: [ragops.dev]
  resources: [ragdeployments/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The configuration of gateways.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
# patch: an annotation on a gateway's pod makes its kubelet look at the ConfigMap at once, not in a minute.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
# Autoscalers of others that scale one of ours: told, and not fought.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
# Creates the password of a new vector store. It can read no Secret, not even its own.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [list]
{{- if eq .Values.metrics.scrape "proxy" }}
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end }}
{{- end -}}
