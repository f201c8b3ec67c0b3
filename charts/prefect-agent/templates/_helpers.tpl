{{/* The name of the app, as a label. */}}
{{- define "prefect-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-." -}}
{{- end -}}

{{/* The name of the objects: at most 63 characters, since it is a label's value elsewhere. */}}
{{- define "prefect-agent.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimAll "-." -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimAll "-." -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimAll "-." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels that select the agent's pod. They are immutable during the life of the release. */}}
{{- define "prefect-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "prefect-agent.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "prefect-agent.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
{{ include "prefect-agent.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end -}}

{{- define "prefect-agent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "prefect-agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The namespace of the flow runs. */}}
{{- define "prefect-agent.jobNamespace" -}}
{{- default .Release.Namespace .Values.jobNamespace -}}
{{- end -}}

{{/*
The name of the Role and its binding. In another namespace, they could collide with those of a release with
the same name, so there the name contains the release's namespace.
*/}}
{{- define "prefect-agent.roleName" -}}
{{- if eq (include "prefect-agent.jobNamespace" .) .Release.Namespace -}}
{{- include "prefect-agent.fullname" . -}}
{{- else -}}
{{- printf "%s.%s" (include "prefect-agent.fullname" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* The name of the ConfigMap with the job template. */}}
{{- define "prefect-agent.jobTemplateName" -}}
{{- default (printf "%s-job-template" (include "prefect-agent.fullname" .)) .Values.existingJobTemplate.configMap -}}
{{- end -}}

{{/*
The job template as it is given, except for what a literal block cannot contain. Every line there ends with a
line feed, a byte order mark is not allowed, and some characters are not allowed.
*/}}
{{- define "prefect-agent.jobTemplate" -}}
{{- $text := .Values.jobTemplate | toString | trimPrefix "\ufeff" -}}
{{- if or (kindIs "invalid" .Values.jobTemplate) (not (trim $text)) -}}
{{- fail "jobTemplate is empty: set it to a Job, or name a ConfigMap with the job template (existingJobTemplate.configMap)" -}}
{{- end -}}
{{- $text = regexReplaceAll "\r\n?" $text "\n" -}}
{{- if regexMatch "[^\\t\\n -~\u00a0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]" $text -}}
{{- fail "jobTemplate contains a control character, which YAML does not allow" -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* The header of a literal block that keeps a whole string: blank lines at its end, spaces at its start. */}}
{{- define "prefect-agent.blockHead" -}}
|
{{- if regexMatch "^[ \\t\\n]" . }}2{{ end -}}
{{- if not (hasSuffix "\n" .) }}-{{ else if regexMatch "(^|\\n)[ \\t]*\\n$" . }}+{{ end -}}
{{- end -}}

{{/* Checks that the schema cannot make, or would report unclearly or with a value that may be secret. */}}
{{- define "prefect-agent.check" -}}
{{- if not (has .Values.backend (list "server" "cloud")) -}}
{{- fail (printf "backend is %q: it must be server or cloud" .Values.backend) -}}
{{- end -}}
{{- if and (eq .Values.backend "server") (not .Values.api) -}}
{{- fail "api is empty: backend server needs the URL of its API, such as http://prefect-apollo.prefect:4200" -}}
{{- end -}}
{{- if and .Values.api (not (regexMatch "^https?://[^\\s@/?#]+([/?#]\\S*)?$" .Values.api)) -}}
{{- fail "api must be a URL that begins with http:// or https://, without a user or password" -}}
{{- end -}}
{{- if not (regexMatch "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$" .Values.apiKey.secretName) -}}
{{- fail "apiKey.secretName must be the name of a Secret, not the key itself" -}}
{{- end -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" .Values.apiKey.secretKey) -}}
{{- fail "apiKey.secretKey must be the name of a key in that Secret, not the API key itself" -}}
{{- end -}}
{{- if and (eq .Values.backend "cloud") (not .Values.apiKey.secretName) -}}
{{- fail "apiKey.secretName is empty: backend cloud needs the name of a Secret with the API key" -}}
{{- end -}}
{{- $ours := dict
      "PREFECT__BACKEND" "backend"
      "PREFECT__CLOUD__API" "api"
      "PREFECT__CLOUD__API_KEY" "apiKey"
      "PREFECT__CLOUD__AGENT__LABELS" "agentLabels"
      "NAMESPACE" "jobNamespace" -}}
{{- $fixed := list "PREFECT__CLOUD__AGENT__AGENT_ADDRESS" "HOME" -}}
{{- $secret := "^PREFECT__CONTEXT__SECRETS__|(TOKEN|PASSWORD|PASSWD|SECRET|_KEY|CREDENTIALS|DSN)$" -}}
{{- $seen := dict -}}
{{- range $index, $entry := .Values.env -}}
{{- if not (regexMatch "^[ -<>-~]+$" .name) -}}
{{- fail (printf "env[%d].name is not a valid name of a variable" $index) -}}
{{- else if hasKey $ours .name -}}
{{- fail (printf "env: %s is set by the value %s" .name (get $ours .name)) -}}
{{- else if has .name $fixed -}}
{{- fail (printf "env: %s is set by the chart" .name) -}}
{{- else if hasKey $seen .name -}}
{{- fail (printf "env: %s is a duplicate" .name) -}}
{{- else if and .value (regexMatch $secret (upper .name)) -}}
{{- fail (printf "env: %s looks like a secret: use valueFrom, so that the release does not contain its value" .name) -}}
{{- else if and (eq .name "SERVICE_ACCOUNT_NAME") (not .value) (not .valueFrom) -}}
{{- fail "env: an empty SERVICE_ACCOUNT_NAME would blank the one in the job template" -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{/* Warnings about settings of the job template without effect. An unusual template is not an error. */}}
{{- define "prefect-agent.warnings" -}}
{{- $job := include "prefect-agent.jobTemplate" . | fromYaml -}}
{{- $pod := dict -}}
{{- if $job.Error }}

WARNING: the job template is invalid: {{ $job.Error }}
{{- else -}}
{{- $at := $job -}}
{{- range list "spec" "template" "spec" -}}
{{- $at = ternary $at dict (kindIs "map" $at) -}}
{{- $at = get $at . -}}
{{- end -}}
{{- if kindIs "map" $at -}}
{{- $pod = $at -}}
{{- else }}

WARNING: the job template has no spec.template.spec, so every flow run fails.
{{- end -}}
{{- end -}}
{{- $first := dict -}}
{{- if and (kindIs "slice" $pod.containers) $pod.containers -}}
{{- $first = first $pod.containers -}}
{{- end -}}
{{- $env := list -}}
{{- if kindIs "map" $first -}}
{{- $env = $first.env -}}
{{- end -}}
{{- $agents := list
      "PREFECT__BACKEND" "PREFECT__CLOUD__AGENT__LABELS" "PREFECT__CLOUD__API" "PREFECT__CLOUD__API_KEY"
      "PREFECT__CLOUD__AUTH_TOKEN" "PREFECT__CLOUD__SEND_FLOW_RUN_LOGS" "PREFECT__CLOUD__TENANT_ID"
      "PREFECT__CLOUD__USE_LOCAL_SECRETS" "PREFECT__CONTEXT__FLOW_ID" "PREFECT__CONTEXT__FLOW_RUN_ID"
      "PREFECT__CONTEXT__IMAGE" "PREFECT__ENGINE__FLOW_RUNNER__DEFAULT_CLASS" "PREFECT__LOGGING__LEVEL"
      "PREFECT__LOGGING__LOG_TO_CLOUD" -}}
{{- $set := list -}}
{{- if kindIs "slice" $env -}}
{{- range $env -}}
{{- if and (kindIs "map" .) (has (get . "name") $agents) -}}
{{- $set = append $set .name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range uniq $set }}

WARNING: {{ . }} in the job template has no effect: the agent writes its own.
{{- end -}}
{{- range .Values.env -}}
{{- if and (eq .name "SERVICE_ACCOUNT_NAME") $pod.serviceAccountName }}

WARNING: SERVICE_ACCOUNT_NAME of the agent replaces serviceAccountName in the job template.
{{- else if and (eq .name "IMAGE_PULL_SECRETS") $pod.imagePullSecrets }}

WARNING: IMAGE_PULL_SECRETS of the agent replaces imagePullSecrets in the job template.
{{- end -}}
{{- end -}}
{{- end -}}
