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

  # What Google writes and not Fluxgate.
  platform_metrics = merge(
    !var.monitoring ? {} : {
      no_instance = {
        description = "Requests that Cloud Run turned away because no instance was available."
        # https://docs.cloud.google.com/run/docs/troubleshooting
        filter = "${local.service_log} AND logName=\"projects/${var.project}/logs/run.googleapis.com%2Frequests\" AND textPayload:\"no available instance\""
        labels = {}
      }
    },
    !var.monitoring || !var.jobs ? {} : {
      job_failed = {
        description = "Attempts of the scheduled jobs that failed."
        # https://docs.cloud.google.com/scheduler/docs/logging
        filter = "resource.type=\"cloud_scheduler_job\" AND resource.labels.location=\"${var.region}\" AND resource.labels.job_id=(${join(" OR ", [for name, _ in local.jobs : "\"${var.name}-${name}\""])}) AND severity>=ERROR"
        labels = { job = "resource.labels.job_id" }
      }
    },
    !var.watch_secrets ? {} : {
      secret_read = {
        description = "Reads of this deployment's secrets by somebody else than the function."
        # https://docs.cloud.google.com/secret-manager/docs/audit-logging
        filter = "logName=\"projects/${var.project}/logs/cloudaudit.googleapis.com%2Fdata_access\" AND protoPayload.methodName=\"google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion\" AND protoPayload.resourceName=~\"/secrets/(${join("|", [for s in google_secret_manager_secret.this : s.secret_id])})/\" AND protoPayload.authenticationInfo.principalEmail!=\"${google_service_account.runtime.email}\""
        labels = { who = "protoPayload.authenticationInfo.principalEmail" }
      }
    },
  )

  metrics = merge(
    { for name, m in local.log_metrics : name => merge(m, {
      filter = "${local.service_log} AND (${m.filter})"
      labels = { for label, field in m.labels : label => "jsonPayload.${field}" }
    }) },
    local.platform_metrics,
  )
  metric_names = { for name, _ in local.metrics : name => "${local.metric_prefix}_${name}" }

  # From outside, only a service that takes requests from everywhere can be checked.
  uptime = local.alerts_on && var.ingress == "ALLOW_ALL"
}

resource "google_logging_metric" "this" {
  for_each = local.metrics

  project     = var.project
  name        = local.metric_names[each.key]
  description = each.value.description
  filter      = each.value.filter

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

  label_extractors = { for label, field in each.value.labels : label => "EXTRACT(${field})" }

  depends_on = [google_project_service.api]
}

# Without it nobody's reading of a secret is logged. It is the whole of what the project says of this service.
resource "google_project_iam_audit_config" "secrets" {
  count = var.watch_secrets ? 1 : 0

  project = var.project
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
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
  channels = concat([for c in google_monitoring_notification_channel.email : c.id], var.notification_channels)
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

# Monitoring makes its account with the first check that needs it, so the check comes first, and IAM has to hear of it.
resource "time_sleep" "uptime" {
  count = local.uptime && var.access == "iam" ? 1 : 0

  create_duration = "30s"
  depends_on      = [google_monitoring_uptime_check_config.health]
}

resource "google_cloud_run_v2_service_iam_member" "uptime" {
  count = local.uptime && var.access == "iam" ? 1 : 0

  project  = var.project
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${local.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"

  depends_on = [time_sleep.uptime]
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
