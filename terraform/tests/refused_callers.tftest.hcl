# Every wrong variable of variables.tf is refused, before anything is made.

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
    keys = ["AQ.-first-key-000000000", "AQ.-first-key-000000000"]
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
    keys         = ["AQ.-first-key-000000000", "AQ.-second-key-00000000"]
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
    callers       = ["app"]
    caller_limits = { app = { rpm = -2 } }
  }

  expect_failures = [var.caller_limits]
}

run "caller_budget_negative" {
  command = plan

  variables {
    callers       = ["app"]
    caller_limits = { app = { dollars_per_day = -5 } }
  }

  expect_failures = [var.caller_limits]
}

run "second_token_of_nobody" {
  command = plan

  variables {
    second_tokens = ["app"]
  }

  expect_failures = [var.second_tokens]
}

run "key_billing_with_a_blank" {
  command = plan

  variables {
    key_billing = ["a b"]
  }

  expect_failures = [var.key_billing]
}

run "key_billing_too_many" {
  command = plan

  variables {
    key_billing = ["a", "b"]
  }

  expect_failures = [var.key_billing]
}

run "oauth_project_is_a_number" {
  command = plan

  variables {
    keys           = []
    oauth_projects = ["123456789012"]
  }

  expect_failures = [var.oauth_projects]
}

run "oauth_project_twice" {
  command = plan

  variables {
    keys           = []
    oauth_projects = ["my-project-2", "my-project-2"]
  }

  expect_failures = [var.oauth_projects]
}

run "keys_beside_oauth_projects" {
  command = plan

  variables {
    oauth_projects = ["my-project-2"]
  }

  expect_failures = [var.keys]
}

run "key_provider_misspelt" {
  command = plan

  variables {
    key_providers = ["OpenAI"]
  }

  expect_failures = [var.key_providers]
}

run "key_provider_without_an_address" {
  command = plan

  variables {
    key_providers = ["groq"]
    settings      = { FLUXGATE_PROVIDERS = "[{\"name\":\"together\",\"base_url\":\"https://api.together.xyz/v1\"}]" }
  }

  expect_failures = [var.key_providers]
}

run "key_providers_too_many" {
  command = plan

  variables {
    key_providers = ["openai", "gemini"]
  }

  expect_failures = [var.key_providers]
}

run "key_tier_unknown" {
  command = plan

  variables {
    key_tiers = ["paid"]
  }

  expect_failures = [var.key_tiers]
}

run "tiers_of_too_few_oauth_projects" {
  command = plan

  variables {
    keys           = []
    oauth_projects = ["my-project-2", "my-project-3"]
    key_tiers      = ["1"]
  }

  expect_failures = [var.key_tiers]
}

run "key_tiers_too_many" {
  command = plan

  variables {
    key_tiers = ["free", "1"]
  }

  expect_failures = [var.key_tiers]
}

run "caller_weight_of_nothing" {
  command = plan

  variables {
    callers       = ["app"]
    caller_limits = { app = { weight = 0 } }
  }

  expect_failures = [var.caller_limits]
}

run "caller_limit_of_nobody" {
  command = plan

  variables {
    access        = "tokens"
    callers       = ["app"]
    caller_limits = { ap = { dollars_per_day = 5 } }
  }

  expect_failures = [var.caller_limits]
}

run "caller_token_of_the_jobs" {
  command = plan

  variables {
    callers = ["scheduler"]
  }

  expect_failures = [var.callers]
}

run "admin_token_of_the_jobs" {
  command = plan

  variables {
    admins = ["scheduler"]
  }

  expect_failures = [var.admins]
}
