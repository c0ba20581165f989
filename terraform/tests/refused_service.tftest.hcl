# Every wrong variable of variables_service.tf is refused, before anything is made.

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

run "limit_negative" {
  command = plan

  variables {
    limits = { pro = { rpm = -2 } }
  }

  expect_failures = [var.limits]
}

run "limit_broken" {
  command = plan

  variables {
    limits = { pro = { tpm = 0.5 } }
  }

  expect_failures = [var.limits]
}

run "project_limit_negative" {
  command = plan

  variables {
    project_limits = { team = { pro = { rpm = -2 } } }
  }

  expect_failures = [var.project_limits]
}

run "preference_unknown" {
  command = plan

  variables {
    prefer = "cheap"
  }

  expect_failures = [var.prefer]
}

run "chain_too_long" {
  command = plan

  variables {
    chain = [for i in range(17) : "model-${i}"]
  }

  expect_failures = [var.chain]
}

run "chain_with_a_path" {
  command = plan

  variables {
    chain = ["models/gemini-2.5-pro"]
  }

  expect_failures = [var.chain]
}

run "mode_unknown" {
  command = plan

  variables {
    mode = "pro"
  }

  expect_failures = [var.mode]
}

run "key_in_the_environment" {
  command = plan

  variables {
    settings = { GEMINI_KEY_1 = "AQ.-first-key-000000000" }
  }

  expect_failures = [var.settings]
}

run "tokens_in_the_environment" {
  command = plan

  variables {
    settings = { FLUXGATE_TOKENS = "app:0123456789abcdef" }
  }

  expect_failures = [var.settings]
}

run "credentials_of_telemetry_in_the_environment" {
  command = plan

  variables {
    settings = { OTEL_EXPORTER_OTLP_HEADERS = "authorization=Bearer 0123456789abcdef" }
  }

  expect_failures = [var.settings]
}

run "setting_that_is_ours" {
  command = plan

  variables {
    settings = { FLUXGATE_AUTH = "iam" }
  }

  expect_failures = [var.settings]
}

run "database_too_short" {
  command = plan

  variables {
    database = "db"
  }

  expect_failures = [var.database]
}

run "database_location_is_a_zone" {
  command = plan

  variables {
    database_location = "us-central1-a"
  }

  expect_failures = [var.database_location]
}

run "collection_with_a_path" {
  command = plan

  variables {
    collection = "a/b"
  }

  expect_failures = [var.collection]
}

run "collection_reserved" {
  command = plan

  variables {
    collection = "__a__"
  }

  expect_failures = [var.collection]
}

run "memory_unknown" {
  command = plan

  variables {
    memory = "100Mi"
  }

  expect_failures = [var.memory]
}

run "min_instances_negative" {
  command = plan

  variables {
    min_instances = -1
  }

  expect_failures = [var.min_instances]
}

run "max_instances_zero" {
  command = plan

  variables {
    max_instances = 0
  }

  expect_failures = [var.max_instances]
}

run "max_instances_below_min" {
  command = plan

  variables {
    min_instances = 5
    max_instances = 2
  }

  expect_failures = [var.max_instances]
}

run "timeout_too_long" {
  command = plan

  variables {
    timeout = 3601
  }

  expect_failures = [var.timeout]
}

run "timeout_too_short" {
  command = plan

  variables {
    timeout = 60
  }

  expect_failures = [var.timeout]
}

run "ingress_unknown" {
  command = plan

  variables {
    ingress = "all"
  }

  expect_failures = [var.ingress]
}

run "alert_email_without_a_host" {
  command = plan

  variables {
    alert_emails = ["ops"]
  }

  expect_failures = [var.alert_emails]
}

run "alert_emails_without_monitoring" {
  command = plan

  variables {
    monitoring   = false
    alert_emails = ["ops@example.com"]
  }

  expect_failures = [var.alert_emails]
}

run "budget_of_no_account" {
  command = plan

  variables {
    budget = { billing_account = "my account", amount = 20 }
  }

  expect_failures = [var.budget]
}

run "budget_of_nothing" {
  command = plan

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 0 }
  }

  expect_failures = [var.budget]
}

run "budget_without_monitoring" {
  command = plan

  variables {
    monitoring = false
    budget     = { billing_account = "012345-6789AB-CDEF01", amount = 20 }
  }

  expect_failures = [var.budget]
}

run "profile_unknown" {
  command = plan

  variables {
    profile = "cheap"
  }

  expect_failures = [var.profile]
}

run "cpu_too_little" {
  command = plan

  variables {
    cpu = 0.05
  }

  expect_failures = [var.cpu]
}

run "cpu_in_too_small_steps" {
  command = plan

  variables {
    cpu = 0.0805
  }

  expect_failures = [var.cpu]
}

run "memory_without_a_unit" {
  command = plan

  variables {
    memory = "512"
  }

  expect_failures = [var.memory]
}

run "memory_beyond_the_cpu" {
  command = plan

  variables {
    cpu    = 0.4
    memory = "1Gi"
  }

  expect_failures = [var.memory]
}

run "memory_of_the_profile_beyond_the_cpu" {
  command = plan

  variables {
    profile = "busy"
    cpu     = 0.5
  }

  expect_failures = [var.memory]
}

run "concurrency_zero" {
  command = plan

  variables {
    concurrency = 0
  }

  expect_failures = [var.concurrency]
}

run "concurrency_on_a_part_of_a_cpu" {
  command = plan

  variables {
    profile     = "free"
    concurrency = 2
  }

  expect_failures = [var.concurrency]
}

run "vpc_with_a_blank" {
  command = plan

  variables {
    vpc = { network = "my network", subnetwork = "default" }
  }

  expect_failures = [var.vpc]
}

run "alert_latency_zero" {
  command = plan

  variables {
    alert_latency = 0
  }

  expect_failures = [var.alert_latency]
}

run "watch_secrets_without_alerts" {
  command = plan

  variables {
    watch_secrets = true
    alerts        = false
  }

  expect_failures = [var.watch_secrets]
}

run "notification_channel_by_its_name" {
  command = plan

  variables {
    notification_channels = ["ops"]
  }

  expect_failures = [var.notification_channels]
}
