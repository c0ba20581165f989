# Cloud Run writes the URL of every request into its request log, with the query, and asks nobody. Clients that put their
# token there (?key=), tickets in paths, and the URLs of uploads, which speak for a caller for a day, are kept out of it:
# such lines are dropped before the project's log bucket, whatever the name in the query is spelled like. It holds for the
# sink _Default. Sinks of an organisation, or others of the project, and a load balancer's own log have to be told by
# themselves.

locals {
  secret_urls = "(?i)[?&;]([^=&]*%[^=&]*|[$]?(key|access_token|api_key|apikey|bearer_token|oauth_token)|upload_id|fluxgate_claim)=|/tickets/."
}

resource "google_logging_project_exclusion" "secret_urls" {
  project     = var.project
  name        = "${var.name}-secret-urls"
  description = "URLs with a token, a ticket or an upload's claim in them, of the function ${var.name}"

  filter = join(" AND ", [
    local.service_log,
    "logName=\"projects/${var.project}/logs/run.googleapis.com%2Frequests\"",
    "httpRequest.requestUrl=~\"${local.secret_urls}\"",
  ])

  depends_on = [google_project_service.api]
}
