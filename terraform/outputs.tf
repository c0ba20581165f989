locals {
  console = "https://console.cloud.google.com"

  # A token's secret holds name:token.
  read_token = {
    for suffix, name in merge(local.token_secrets, local.admin_secrets) :
    name => "gcloud secrets versions access latest --project=${var.project} --secret=${google_secret_manager_secret.this[suffix].secret_id} | cut -d: -f2-"
  }

  credentials = join(" ", concat(
    var.access == "iam" ? ["-H \"Authorization: Bearer $(gcloud auth print-identity-token)\""] : [],
    length(var.callers) > 0 ? ["-H \"X-Fluxgate-Token: $(${local.read_token[var.callers[0]]})\""] : [],
  ))
}

output "url" {
  description = "Where Fluxgate answers: the base URL of clients."
  value       = local.url
}

output "curl" {
  description = "A command that asks it something, as a caller."
  value       = "curl -s ${local.credentials} ${local.url}/generate -d '{\"prompt\":\"Hello world\"}'"
}

output "status" {
  description = "A command that shows keys, quotas and waits."
  value       = "curl -s ${local.credentials} ${local.url}/status"
}

output "tokens" {
  description = "Commands that print the tokens of callers and administrators, by name. Whoever may read the secret may run them."
  value       = local.read_token
}

output "open" {
  description = "With access = tokens and bind_everybody = false: the command that lets everybody reach the service, once."
  value       = var.access == "tokens" && !var.bind_everybody ? "gcloud run services update ${var.name} --project=${var.project} --region=${var.region} --no-invoker-iam-check" : null
}

output "secrets" {
  description = "The secrets of this deployment."
  value       = [for s in google_secret_manager_secret.this : s.secret_id]
}

output "service_accounts" {
  description = "The accounts that run, build and call the function."
  value = {
    runtime = google_service_account.runtime.email
    build   = google_service_account.build.email
    jobs    = one(google_service_account.jobs[*].email)
  }
}

output "jobs_audience" {
  description = "The audience of the jobs' tokens: a URL of the service that is known before it exists."
  value       = local.audience
}

output "console" {
  description = "Where to look in the Google Cloud console."
  value = merge(
    {
      function  = "${local.console}/run/detail/${var.region}/${var.name}/metrics?project=${var.project}"
      logs      = "${local.console}/logs/query;query=${replace(urlencode(local.service_log), "+", "%20")}?project=${var.project}"
      secrets   = "${local.console}/security/secret-manager?project=${var.project}"
      firestore = "${local.console}/firestore/databases/${var.database == "(default)" ? "-default-" : var.database}/data?project=${var.project}"
    },
    var.jobs ? { jobs = "${local.console}/cloudscheduler?project=${var.project}" } : {},
    var.monitoring ? { dashboard = "${local.console}/monitoring/dashboards/builder/${element(split("/", google_monitoring_dashboard.this[0].id), 3)}?project=${var.project}" } : {},
  )
}
