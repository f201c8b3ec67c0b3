{{- define "labels" -}}
app.kubernetes.io/name: prefect-worker
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}
{{- define "connection" -}}
- name: PREFECT_API_URL
  value: {{ .Values.worker.apiUrl | quote }}
- name: PREFECT_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.worker.apiKeySecret.name }}
      key:  {{ .Values.worker.apiKeySecret.key }}
{{- end -}}
