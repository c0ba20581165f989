# What the other variables change.

mock_provider "google" {
  source = "./tests/mocks"
}

# It would wait.
mock_provider "time" {}

variables {
  project = "my-project-1"
  keys    = ["AQ.-first-key-000000000"]
  tokens  = {}
}

run "existing_database" {
  variables {
    create_database = false
    database        = "shared"
    collection      = "gate"
    expire_history  = true
  }

  assert {
    condition     = length(google_firestore_database.this) == 0
    error_message = "A database is created although there is one."
  }
  assert {
    condition     = alltrue([for f in google_firestore_field.unindexed : f.database == "shared" && f.collection == "gate"])
    error_message = "The exemption is for another database or collection."
  }
  assert {
    condition = (
      google_firestore_field.expiry[0].field == "expire_at" && google_firestore_field.expiry[0].database == "shared" && google_firestore_field.expiry[0].collection == "gate"
      && length(google_firestore_field.expiry[0].ttl_config) == 1 && length(google_firestore_field.expiry[0].index_config[0].indexes) == 0
    )
    error_message = "History doesn't expire, or its instants are indexed."
  }
  assert {
    condition     = google_project_iam_member.runtime_datastore.condition[0].expression == "resource.name == \"projects/my-project-1/databases/shared\""
    error_message = "The function may use another database."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_DATABASE == "shared"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_COLLECTION == "gate"
    )
    error_message = "The function uses another database or collection."
  }
  assert {
    condition     = strcontains(output.console.firestore, "/databases/shared/")
    error_message = "The console's address is that of another database."
  }
}

run "elsewhere" {
  variables {
    name              = "gate-2"
    region            = "europe-west1"
    database          = "gate-2"
    database_location = "eur3"
    labels            = { team = "search" }
  }

  assert {
    condition     = google_firestore_database.this[0].name == "gate-2" && google_firestore_database.this[0].location_id == "eur3"
    error_message = "The database is elsewhere."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.location == "europe-west1"
      && lower(google_storage_bucket.source.location) == "europe-west1"
      && google_artifact_registry_repository.images.location == "europe-west1"
      && alltrue([for j in google_cloud_scheduler_job.this : j.region == "europe-west1"])
    )
    error_message = "Something is in another region."
  }
  assert {
    condition     = output.jobs_audience == "https://gate-2-123456789012.europe-west1.run.app"
    error_message = "The audience isn't a URL of this service."
  }
  assert {
    condition = (
      google_service_account.runtime.account_id == "gate-2-run"
      && google_storage_bucket.source.name == "my-project-1-gate-2-source"
      && alltrue([for s in google_secret_manager_secret.this : startswith(s.secret_id, "gate-2-")])
      && alltrue([for m in google_logging_metric.this : startswith(m.name, "gate_2_")])
    )
    error_message = "Two deployments in one project would get into each other's way."
  }
  assert {
    condition     = alltrue([for l in concat([google_cloudfunctions2_function.this.labels, google_storage_bucket.source.labels], [for s in google_secret_manager_secret.this : s.labels]) : l == tomap({ team = "search" })])
    error_message = "Something lacks its labels."
  }
}

run "quota_and_size" {
  variables {
    limits         = { "gemini-2.5-pro" = { rpm = 150, tpm = 2000000, rpd = 1000 }, flash = { rpd = -1 } }
    project_limits = { team = { flash = { rpm = 50 } } }
    prefer         = "paid"
    chain          = ["gemini-2.5-pro", "gemini-2.5-flash"]
    mode           = "flash_only"
    settings       = { FLUXGATE_SKEW = "1s", OTEL_EXPORTER_OTLP_ENDPOINT = "https://otel.example.com" }
    memory         = "1Gi"
    min_instances  = 1
    max_instances  = 10
    timeout        = 3600
    ingress        = "ALLOW_INTERNAL_AND_GCLB"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_PREFER == "paid"
    error_message = "The preference doesn't reach the function."
  }
  assert {
    condition     = jsondecode(google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_LIMITS) == { "gemini-2.5-pro" = { rpm = 150, tpm = 2000000, rpd = 1000 }, flash = { rpd = -1 }, projects = { team = { flash = { rpm = 50 } } } }
    error_message = "The limits are others; what isn't set must be left out, or it would count as 0."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_CHAIN == "gemini-2.5-pro,gemini-2.5-flash"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.GEMINI_MODE == "flash_only"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_SKEW == "1s"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_TIMEOUT == "3540s"
    )
    error_message = "A setting doesn't reach the function."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].available_memory == "1Gi"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.GOMEMLIMIT == "921MiB"
      && google_cloudfunctions2_function.this.service_config[0].min_instance_count == 1
      && google_cloudfunctions2_function.this.service_config[0].max_instance_count == 10
      && google_cloudfunctions2_function.this.service_config[0].timeout_seconds == 3600
      && google_cloudfunctions2_function.this.service_config[0].ingress_settings == "ALLOW_INTERNAL_AND_GCLB"
    )
    error_message = "The function's means are others."
  }
  assert {
    condition     = length(google_monitoring_uptime_check_config.health) == 0 && length(google_monitoring_alert_policy.uptime) == 0
    error_message = "An uptime check from outside can't reach an internal service, and would always fail."
  }
}

run "monitoring" {
  variables {
    alert_emails          = ["ops@example.com"]
    notification_channels = ["projects/my-project-1/notificationChannels/7"]
    watch_secrets         = true
    alert_latency         = 30
    budget                = { billing_account = "012345-6789AB-CDEF01", amount = 20 }
  }

  assert {
    condition = toset(keys(google_monitoring_alert_policy.this)) == toset([
      "server_errors", "pool_exhausted", "key_invalid", "store_unreachable", "start_failed", "no_instance", "latency", "memory", "job_failed", "secret_read",
    ])
    error_message = "The alert policies are others."
  }
  assert {
    condition = alltrue([for p in concat(values(google_monitoring_alert_policy.this), google_monitoring_alert_policy.uptime) :
    length(p.documentation[0].content) > 200 && p.documentation[0].mime_type == "text/markdown" && length(p.notification_channels) == 2])
    error_message = "An alert comes without a playbook, or reaches nobody."
  }
  # An alert on a metric that isn't there would never fire, and nobody would notice.
  assert {
    condition = alltrue([for p in google_monitoring_alert_policy.this : anytrue([for source in concat(
      ["run_googleapis_com:request_count{", "run_googleapis_com:request_latencies_bucket{", "run_googleapis_com:container_memory_utilizations_bucket{"], [for m in google_logging_metric.this : "logging_googleapis_com:user_${m.name}{"],
    ) : strcontains(p.conditions[0].condition_prometheus_query_language[0].query, source)])])
    error_message = "An alert asks for a metric that doesn't exist."
  }
  assert {
    condition = alltrue([for name, m in google_logging_metric.this :
      strcontains(m.filter, lookup({
        job_failed  = "resource.labels.job_id=(\"fluxgate-refresh-policy\" OR \"fluxgate-validate\")"
        secret_read = "protoPayload.resourceName=~\"/secrets/(fluxgate-admin-admin|fluxgate-keys)/\" AND protoPayload.authenticationInfo.principalEmail!=\"run@my-project-1.iam.gserviceaccount.com\""
    }, name, "resource.labels.service_name=\"fluxgate\"")) && m.metric_descriptor[0].metric_kind == "DELTA"])
    error_message = "A metric counts the lines of another service."
  }
  # Nobody's reading is logged without.
  assert {
    condition     = google_project_iam_audit_config.secrets[0].service == "secretmanager.googleapis.com" && toset([for c in google_project_iam_audit_config.secrets[0].audit_log_config : c.log_type]) == toset(["DATA_READ"])
    error_message = "The reads of secrets aren't logged."
  }
  # One failure among two requests is half of them, and no reason to wake anybody.
  assert {
    condition = (
      strcontains(google_monitoring_alert_policy.this["server_errors"].conditions[0].condition_prometheus_query_language[0].query, " > 0.05 and sum(increase(")
      && strcontains(google_monitoring_alert_policy.this["latency"].conditions[0].condition_prometheus_query_language[0].query, " > 30000 and sum(increase(")
    )
    error_message = "A quiet day sets off an alert."
  }
  assert {
    condition = alltrue([for m in google_logging_metric.this :
    join(",", sort([for l in m.metric_descriptor[0].labels : l.key])) == join(",", sort(keys(m.label_extractors)))])
    error_message = "A metric's labels aren't those that it extracts."
  }
  assert {
    condition = (
      google_monitoring_uptime_check_config.health[0].http_check[0].path == "/health"
      && google_monitoring_uptime_check_config.health[0].http_check[0].use_ssl
      && google_monitoring_uptime_check_config.health[0].http_check[0].service_agent_authentication[0].type == "OIDC_TOKEN"
      && google_monitoring_uptime_check_config.health[0].monitored_resource[0].labels.host == "fluxgate-hash-uc.a.run.app"
      && google_cloud_run_v2_service_iam_member.uptime[0].member == "serviceAccount:service-123456789012@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
    )
    error_message = "The uptime check doesn't get in."
  }
  assert {
    condition = (
      google_billing_budget.this[0].amount[0].specified_amount[0].units == "20"
      && google_billing_budget.this[0].budget_filter[0].projects == toset(["projects/123456789012"])
      && toset([for r in google_billing_budget.this[0].threshold_rules : r.threshold_percent]) == toset([0.5, 0.9, 1])
      && length(google_billing_budget.this[0].all_updates_rule[0].monitoring_notification_channels) == 2
    )
    error_message = "The budget is another."
  }
  assert {
    condition     = contains(keys(google_project_service.api), "billingbudgets.googleapis.com")
    error_message = "The budget's API isn't enabled."
  }
  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.this[0].dashboard_json).mosaicLayout.tiles) == 8
    error_message = "The dashboard lacks a tile."
  }
}

run "network" {
  variables {
    vpc = { network = "egress", subnetwork = "projects/my-project-1/regions/us-central1/subnetworks/egress", tags = ["fluxgate"] }
  }

  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].direct_vpc_egress == "VPC_EGRESS_ALL_TRAFFIC"
      && google_cloudfunctions2_function.this.service_config[0].direct_vpc_network_interface[0].network == "egress"
      && google_cloudfunctions2_function.this.service_config[0].direct_vpc_network_interface[0].subnetwork == "projects/my-project-1/regions/us-central1/subnetworks/egress"
      && google_cloudfunctions2_function.this.service_config[0].direct_vpc_network_interface[0].tags == tolist(["fluxgate"])
    )
    error_message = "What the function sends goes past the network."
  }
}

run "bare" {
  variables {
    monitoring = false
    jobs       = false
  }

  assert {
    condition = (
      length(google_logging_metric.this) + length(google_monitoring_alert_policy.this) + length(google_monitoring_alert_policy.uptime)
      + length(google_monitoring_uptime_check_config.health) + length(google_monitoring_dashboard.this) + length(google_billing_budget.this)
      + length(google_cloud_run_v2_service_iam_member.uptime) == 0
    )
    error_message = "There is monitoring although it is off."
  }
  assert {
    condition = (
      length(google_cloud_scheduler_job.this) + length(google_service_account.jobs) + length(google_cloud_run_v2_service_iam_member.invoker) == 0
      && !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), "FLUXGATE_JOBS_ACCOUNT")
      && !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), "FLUXGATE_JOBS_AUDIENCE")
    )
    error_message = "There are jobs although they are off."
  }
  assert {
    condition     = length(setintersection(keys(google_project_service.api), ["cloudscheduler.googleapis.com", "monitoring.googleapis.com", "billingbudgets.googleapis.com"])) == 0
    error_message = "An API is enabled that nothing uses."
  }
}
