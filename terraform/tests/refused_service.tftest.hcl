# Every wrong variable of variables_service.tf is refused, before anything is made.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "my-project-1"
  keys    = ["AIza-first-key-000000000"]
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
    settings = { GEMINI_KEY_1 = "AIza-first-key-000000000" }
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
