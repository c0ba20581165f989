# Every wrong variable is refused, before anything is made.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "my-project-1"
  keys    = ["AIza-first-key-000000000"]
  tokens  = {}
}

run "project_is_a_number" {
  command = plan

  variables {
    project = "123456789012"
  }

  expect_failures = [var.project]
}

run "project_is_a_name" {
  command = plan

  variables {
    project = "My Project"
  }

  expect_failures = [var.project]
}

run "region_is_a_zone" {
  command = plan

  variables {
    region = "us-central1-a"
  }

  expect_failures = [var.region]
}

run "region_is_a_multi_region" {
  command = plan

  variables {
    region = "nam5"
  }

  expect_failures = [var.region]
}

run "name_too_long" {
  command = plan

  variables {
    name = "a-name-that-is-much-too-long"
  }

  expect_failures = [var.name]
}

run "name_with_capitals" {
  command = plan

  variables {
    name = "Fluxgate"
  }

  expect_failures = [var.name]
}

run "labels_with_capitals" {
  command = plan

  variables {
    labels = { Team = "search" }
  }

  expect_failures = [var.labels]
}

run "no_keys" {
  command = plan

  variables {
    keys = []
  }

  expect_failures = [var.keys]
}

run "key_with_a_blank" {
  command = plan

  variables {
    keys = ["AIza first key 000000000"]
  }

  expect_failures = [var.keys]
}

run "key_too_short" {
  command = plan

  variables {
    keys = ["AIza"]
  }

  expect_failures = [var.keys]
}

run "key_twice" {
  command = plan

  variables {
    keys = ["AIza-first-key-000000000", "AIza-first-key-000000000"]
  }

  expect_failures = [var.keys]
}

run "keys_version_zero" {
  command = plan

  variables {
    keys_version = 0
  }

  expect_failures = [var.keys_version]
}

run "keys_version_broken" {
  command = plan

  variables {
    keys_version = 1.5
  }

  expect_failures = [var.keys_version]
}

run "key_projects_too_few" {
  command = plan

  variables {
    keys         = ["AIza-first-key-000000000", "AIza-second-key-00000000"]
    key_projects = ["a"]
  }

  expect_failures = [var.key_projects]
}

run "key_projects_reserved" {
  command = plan

  variables {
    key_projects = ["key-1"]
  }

  expect_failures = [var.key_projects]
}

run "key_secrets_too_many" {
  command = plan

  variables {
    key_secrets = ["a", "b"]
  }

  expect_failures = [var.key_secrets]
}

run "key_secrets_with_a_blank" {
  command = plan

  variables {
    key_secrets = ["a b"]
  }

  expect_failures = [var.key_secrets]
}

run "key_secrets_more_than_are_read" {
  command = plan

  variables {
    keep_keys   = true
    key_secrets = [for i in range(33) : "k${i}"]
  }

  expect_failures = [var.key_secrets]
}

run "access_unknown" {
  command = plan

  variables {
    access = "public"
  }

  expect_failures = [var.access]
}

run "public_without_tokens" {
  command = plan

  variables {
    access = "tokens"
  }

  expect_failures = [var.access]
}

run "public_by_an_invoker" {
  command = plan

  variables {
    invokers = ["allUsers"]
  }

  expect_failures = [var.invokers]
}

run "almost_public_by_an_invoker" {
  command = plan

  variables {
    invokers = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.invokers]
}

run "invoker_without_a_kind" {
  command = plan

  variables {
    invokers = ["a@example.com"]
  }

  expect_failures = [var.invokers]
}

run "invokers_with_tokens" {
  command = plan

  variables {
    access   = "tokens"
    callers  = ["app"]
    invokers = ["user:a@example.com"]
  }

  expect_failures = [var.invokers]
}

run "caller_with_capitals" {
  command = plan

  variables {
    callers = ["App"]
  }

  expect_failures = [var.callers]
}

run "caller_reserved" {
  command = plan

  variables {
    callers = ["iam"]
  }

  expect_failures = [var.callers]
}

run "caller_twice" {
  command = plan

  variables {
    callers = ["app", "app"]
  }

  expect_failures = [var.callers]
}

run "admin_reserved" {
  command = plan

  variables {
    admins = ["anonymous"]
  }

  expect_failures = [var.admins]
}

run "admin_is_a_caller" {
  command = plan

  variables {
    callers = ["app"]
    admins  = ["app"]
  }

  expect_failures = [var.admins]
}

run "token_too_short" {
  command = plan

  variables {
    callers = ["app"]
    tokens  = { app = "short" }
  }

  expect_failures = [var.tokens]
}

run "token_with_a_blank" {
  command = plan

  variables {
    callers = ["app"]
    tokens  = { app = "sixteen characters" }
  }

  expect_failures = [var.tokens]
}

run "token_twice" {
  command = plan

  variables {
    callers = ["app"]
    tokens  = { app = "0123456789abcdef", admin = "0123456789abcdef" }
  }

  expect_failures = [var.tokens]
}

run "token_of_nobody" {
  command = plan

  variables {
    tokens = { app = "0123456789abcdef" }
  }

  expect_failures = [var.tokens]
}

run "token_version_of_nobody" {
  command = plan

  variables {
    token_versions = { app = 2 }
  }

  expect_failures = [var.token_versions]
}

run "token_version_zero" {
  command = plan

  variables {
    token_versions = { admin = 0 }
  }

  expect_failures = [var.token_versions]
}

run "caller_limit_negative" {
  command = plan

  variables {
    caller_limits = { app = { rpm = -2 } }
  }

  expect_failures = [var.caller_limits]
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
