# What an instance has, by profile, and what changes a part of it.

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

run "free" {
  variables {
    profile = "free"
  }

  # https://docs.cloud.google.com/run/docs/configuring/services/cpu: less than one vCPU takes one request at a time.
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].available_cpu == "0.08"
      && google_cloudfunctions2_function.this.service_config[0].available_memory == "192Mi"
      && google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 1
      && google_cloudfunctions2_function.this.service_config[0].min_instance_count == 0
      && google_cloudfunctions2_function.this.service_config[0].max_instance_count == 40
    )
    error_message = "The free profile isn't what Google gives for nothing."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].environment_variables.GOMEMLIMIT == "172MiB"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_SECRETS_TTL == "6h"
    )
    error_message = "The memory or the age of secrets doesn't follow the profile."
  }
  assert {
    condition     = length(google_monitoring_alert_policy.this) + length(google_monitoring_alert_policy.uptime) + length(google_monitoring_uptime_check_config.health) == 0
    error_message = "There are alerts, whose conditions Google prices."
  }
  assert {
    condition     = length(google_secret_manager_secret.this) <= 3 && length(google_cloud_scheduler_job.this) <= 3
    error_message = "There are more secrets or jobs than are free."
  }
  assert {
    condition     = length(google_monitoring_dashboard.this) == 1
    error_message = "There is no dashboard, which costs nothing."
  }
}

run "busy" {
  variables {
    profile = "busy"
  }

  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].available_cpu == "2"
      && google_cloudfunctions2_function.this.service_config[0].available_memory == "2Gi"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.GOMEMLIMIT == "1843MiB"
      && google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 200
      && google_cloudfunctions2_function.this.service_config[0].min_instance_count == 1
      && google_cloudfunctions2_function.this.service_config[0].max_instance_count == 10
    )
    error_message = "The busy profile has other means."
  }
}

run "batch" {
  variables {
    profile = "batch"
  }

  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].available_cpu == "1"
      && google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 80
      && google_cloudfunctions2_function.this.service_config[0].min_instance_count == 0
      && google_cloudfunctions2_function.this.service_config[0].max_instance_count == 1
    )
    error_message = "A batch takes more than one instance."
  }
  assert {
    condition     = length(google_monitoring_alert_policy.this) + length(google_monitoring_alert_policy.uptime) + length(google_monitoring_uptime_check_config.health) == 0
    error_message = "There are alerts, whose conditions Google prices."
  }
}

run "a_part_of_it" {
  variables {
    profile       = "free"
    cpu           = 0.5
    memory        = "1Gi"
    min_instances = 1
    max_instances = 7
    alerts        = true
    settings      = { FLUXGATE_SECRETS_TTL = "1h" }
  }

  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].available_cpu == "0.5"
      && google_cloudfunctions2_function.this.service_config[0].available_memory == "1Gi"
      && google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 1
      && google_cloudfunctions2_function.this.service_config[0].min_instance_count == 1
      && google_cloudfunctions2_function.this.service_config[0].max_instance_count == 7
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_SECRETS_TTL == "1h"
      && length(google_monitoring_alert_policy.this) > 5
    )
    error_message = "What is said by itself doesn't go before the profile."
  }
}

# A default profile on less than one vCPU can't keep its 80 requests at once.
run "less_than_one" {
  variables {
    cpu    = 0.08
    memory = "128Mi"
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 1
    error_message = "Cloud Run refuses more than one request at a time."
  }
}
