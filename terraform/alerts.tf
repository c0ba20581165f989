# Alert policies, each with the playbook of its name. A condition has to last, or to count more than one, before it fires:
# a single failure on a quiet day is none. PromQL's increase isn't whole, so 1.5 means two.

locals {
  # What PromQL calls the service, its requests and the metrics of monitoring.tf.
  requests     = "run_googleapis_com:request_count"
  this_service = "monitored_resource=\"cloud_run_revision\",service_name=\"${var.name}\",location=\"${var.region}\""
  elsewhere = {
    job_failed  = "monitored_resource=\"cloud_scheduler_job\""
    secret_read = "monitored_resource=\"audited_resource\""
  }
  increase = { for name, full in local.metric_names : name => "(increase(logging_googleapis_com:user_${full}{${lookup(local.elsewhere, name, local.this_service)}}[10m]))" }

  alerts = merge(
    !local.alerts_on ? {} : {
      server_errors = {
        title    = "more than 5 % of the answers are 5xx"
        query    = "sum(rate(${local.requests}{${local.this_service},response_code_class=\"5xx\"}[10m])) / sum(rate(${local.requests}{${local.this_service}}[10m])) > 0.05 and sum(increase(${local.requests}{${local.this_service},response_code_class=\"5xx\"}[10m])) > 2.5"
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
        query    = "sum${local.increase.store_unreachable} > 1.5"
        severity = "CRITICAL"
      }
      start_failed = {
        title    = "an instance can't start"
        query    = "sum${local.increase.start_failed} > 0"
        severity = "CRITICAL"
      }
      no_instance = {
        title    = "Cloud Run has no instance for requests"
        query    = "sum${local.increase.no_instance} > 2.5"
        severity = "ERROR"
      }
      latency = {
        title    = "answers take longer than ${var.alert_latency} s"
        query    = "histogram_quantile(0.95, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{${local.this_service}}[10m]))) > ${var.alert_latency * 1000} and sum(increase(${local.requests}{${local.this_service}}[10m])) > 20"
        severity = "WARNING"
      }
      memory = {
        title    = "instances use more than 90 % of their memory"
        query    = "histogram_quantile(0.99, sum by (le) (rate(run_googleapis_com:container_memory_utilizations_bucket{${local.this_service}}[10m]))) > 0.9"
        severity = "WARNING"
      }
    },
    !local.alerts_on || !var.jobs ? {} : {
      job_failed = {
        title    = "a scheduled job fails"
        query    = "sum by (job) ${local.increase.job_failed} > 1.5"
        severity = "WARNING"
      }
    },
    !var.watch_secrets ? {} : {
      secret_read = {
        title    = "somebody else reads the secrets"
        query    = "sum by (who) ${local.increase.secret_read} > 0"
        severity = "ERROR"
      }
    },
  )
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
      query    = each.value.query
      duration = "0s"
      # Google prices what conditions look at, so they look no more often than they need to.
      evaluation_interval = "120s"
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
