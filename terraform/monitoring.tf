# Filters match lines of Fluxgate's log; internal/terraformtest looks each of them up in its source.

locals {
  # Hyphens aren't allowed in the PromQL names of metrics.
  metric_prefix = replace(var.name, "-", "_")

  service_log = join(" AND ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=\"${var.name}\"",
    "resource.labels.location=\"${var.region}\"",
  ])

  # labels: from the name of a label to the field of the log line that holds it.
  log_metrics = !var.monitoring ? {} : {
    waits = {
      description = "Requests that were told to wait, by what they wait for."
      filter      = "jsonPayload.message=\"wait\""
      labels      = { cause = "cause", model = "model" }
    }
    upstream_failures = {
      description = "Requests that Gemini refused or failed, by class."
      filter      = "jsonPayload.message=(\"upstream failed\" OR \"upstream failed in mid-answer\")"
      labels      = { class = "class", project = "project" }
    }
    pool_exhausted = {
      description = "Requests that no project can take before Pacific midnight, or at all."
      filter      = "(jsonPayload.message=\"wait\" AND jsonPayload.cause=(\"rpd\" OR \"upstream_day\")) OR (jsonPayload.message=\"failed\" AND jsonPayload.error:\"No usable key is left for this request\")"
      labels      = {}
    }
    key_invalid = {
      description = "Keys that have become invalid: Gemini refuses them, or their project can't pay."
      filter      = "jsonPayload.message=\"key invalid\""
      labels      = { key = "key", project = "project", reason = "reason" }
    }
    store_unreachable = {
      description = "Requests that were refused because Firestore couldn't be reached."
      filter      = "jsonPayload.message=\"failed\" AND jsonPayload.error:\"The quota store can't be reached\""
      labels      = {}
    }
    start_failed = {
      description = "Starts that failed: a setting, a secret or the database."
      filter      = "jsonPayload.message=\"start failed, the next request tries again\""
      labels      = {}
    }
  }

  log_metric_names = { for name, _ in local.log_metrics : name => "${local.metric_prefix}_${name}" }

  # What PromQL calls them, and the service that they are about.
  requests     = "run_googleapis_com:request_count"
  this_service = "monitored_resource=\"cloud_run_revision\",service_name=\"${var.name}\",location=\"${var.region}\""
  increase     = { for name, full in local.log_metric_names : name => "(increase(logging_googleapis_com:user_${full}{${local.this_service}}[10m]))" }

  alerts = !var.monitoring ? {} : {
    server_errors = {
      title    = "more than 5 % of the answers are 5xx"
      query    = "sum(rate(${local.requests}{${local.this_service},response_code_class=\"5xx\"}[10m])) / sum(rate(${local.requests}{${local.this_service}}[10m])) > 0.05"
      severity = "ERROR"
    }
    pool_exhausted = {
      title    = "no project has quota left today"
      query    = "sum${local.increase.pool_exhausted} > 0"
      severity = "WARNING"
    }
    key_invalid = {
      title    = "Gemini calls a key invalid"
      query    = "sum by (key, project, reason) ${local.increase.key_invalid} > 0"
      severity = "WARNING"
    }
    store_unreachable = {
      title    = "Firestore can't be reached"
      query    = "sum${local.increase.store_unreachable} > 0"
      severity = "CRITICAL"
    }
    start_failed = {
      title    = "an instance can't start"
      query    = "sum${local.increase.start_failed} > 0"
      severity = "CRITICAL"
    }
  }

  # From outside, only a service that takes requests from everywhere can be checked.
  uptime = var.monitoring && var.ingress == "ALLOW_ALL"
}

resource "google_logging_metric" "this" {
  for_each = local.log_metrics

  project     = var.project
  name        = local.log_metric_names[each.key]
  description = each.value.description
  filter      = "${local.service_log} AND (${each.value.filter})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  label_extractors = { for label, field in each.value.labels : label => "EXTRACT(jsonPayload.${field})" }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  project      = var.project
  display_name = each.value
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.api]
}

locals {
  channels = [for c in google_monitoring_notification_channel.email : c.id]
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "0s"
      evaluation_interval = "60s"
      # A metric that nothing has been counted in yet can't be found, which is no mistake.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "3600s"
  }

  documentation {
    subject   = "${var.name}: ${each.value.title}"
    content   = file("${path.module}/playbooks/${each.key}.md")
    mime_type = "text/markdown"
  }

  depends_on = [google_logging_metric.this]
}

# --- Is it up ---

resource "google_monitoring_uptime_check_config" "health" {
  count = local.uptime ? 1 : 0

  project      = var.project
  display_name = "${var.name} /health"
  period       = "300s"
  timeout      = "10s"

  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    # Cloud Run lets nobody in without a token, and this is Monitoring's own.
    dynamic "service_agent_authentication" {
      for_each = var.access == "iam" ? ["OIDC_TOKEN"] : []
      content {
        type = service_agent_authentication.value
      }
    }
  }

  content_matchers {
    content = "ok"
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project
      host       = trimprefix(local.url, "https://")
    }
  }
}

# Monitoring makes its account with the first check that needs it, so the check comes first.
resource "google_cloud_run_v2_service_iam_member" "uptime" {
  count = local.uptime && var.access == "iam" ? 1 : 0

  project  = var.project
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${local.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"

  depends_on = [google_monitoring_uptime_check_config.health]
}

resource "google_monitoring_alert_policy" "uptime" {
  count = local.uptime ? 1 : 0

  project               = var.project
  display_name          = "${var.name}: /health can't be reached"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "/health fails from two regions"

    condition_threshold {
      filter = join(" AND ", [
        "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\"",
        "resource.type=\"uptime_url\"",
        "metric.labels.check_id=\"${google_monitoring_uptime_check_config.health[0].uptime_check_id}\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "300s"

      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
      trigger {
        count = 1
      }
    }
  }

  documentation {
    subject   = "${var.name}: /health can't be reached"
    content   = file("${path.module}/playbooks/uptime.md")
    mime_type = "text/markdown"
  }
}

# --- What it costs ---

resource "google_billing_budget" "this" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "${var.name} in ${var.project}"

  budget_filter {
    projects = ["projects/${local.project_number}"]
  }

  amount {
    specified_amount {
      units = tostring(var.budget.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  dynamic "all_updates_rule" {
    for_each = length(local.channels) > 0 ? [local.channels] : []
    content {
      monitoring_notification_channels = all_updates_rule.value
    }
  }

  depends_on = [google_project_service.api]
}
