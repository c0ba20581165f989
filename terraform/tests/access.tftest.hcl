# How callers get in, and which secrets hold what.

mock_provider "google" {
  source = "./tests/mocks"
}

# It would wait.
mock_provider "time" {}

variables {
  project = "my-project-1"
  keys    = ["AQ.-first-key-000000000", "AQ.-second-key-00000000"]
  tokens  = {}
}

run "tokens" {
  variables {
    access         = "tokens"
    callers        = ["app", "batch"]
    admins         = ["root"]
    token_versions = { batch = 3 }
    caller_limits  = { app = { rpm = 5, rpd = 100 }, batch = { tpm = 250000, weight = 3, dollars_per_month = 50.5 } }
  }

  assert {
    condition     = { for k, m in google_cloud_run_v2_service_iam_member.invoker : k => m.member } == { everybody = "allUsers" }
    error_message = "Not everybody may reach the service, or somebody may besides."
  }
  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), "FLUXGATE_AUTH")
    error_message = "The function believes that IAM guards it, while it is open to everybody."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_TOKENS_SECRET == "fluxgate-token-app,fluxgate-token-batch"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_ADMIN_TOKENS_SECRET == "fluxgate-admin-root"
    )
    error_message = "The function isn't told where its tokens are."
  }
  assert {
    condition     = jsondecode(google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_CALLERS) == { app = { rpm = 5, rpd = 100 }, batch = { tpm = 250000, weight = 3, dollars_per_month = 50.5 } }
    error_message = "The callers' limits are others."
  }
  assert {
    condition     = { for k, v in google_secret_manager_secret_version.token : k => tostring(v.secret_data_wo_version) } == { token-app = "1", token-batch = "3", admin-root = "1" }
    error_message = "The versions of the tokens are others: all callers' tokens would be replaced with one's."
  }
  assert {
    condition     = toset(keys(google_secret_manager_secret_iam_member.runtime)) == toset(["keys", "token-app", "token-batch", "admin-root"])
    error_message = "The function may not read exactly its own secrets."
  }
  assert {
    condition     = output.curl == "curl -s -H \"X-Fluxgate-Token: $(gcloud secrets versions access latest --project=my-project-1 --secret=fluxgate-token-app | cut -d: -f2-)\" https://fluxgate-hash-uc.a.run.app/generate -d '{\"prompt\":\"Hello world\"}'"
    error_message = "The curl command is another."
  }
  assert {
    condition     = toset(keys(output.tokens)) == toset(["app", "batch", "root"])
    error_message = "There isn't a command for each token."
  }
  # The jobs need no invoker here, but are recognised by the same audience.
  assert {
    condition = alltrue([for j in google_cloud_scheduler_job.this :
    j.http_target[0].oidc_token[0].audience == google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_JOBS_AUDIENCE])
    error_message = "The jobs don't bring the token that the function asks for."
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.uptime) == 0 && length(google_monitoring_uptime_check_config.health[0].http_check[0].service_agent_authentication) == 0
    error_message = "The uptime check brings a token that nobody asks for."
  }
}

run "identities" {
  variables {
    invokers = ["user:a@example.com", "serviceAccount:app@other-project.iam.gserviceaccount.com"]
    admins   = []
    # By the email address that IAM lets in.
    caller_limits = { "a@example.com" = { rpm = 5 } }
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_CALLERS == "{\"a@example.com\":{\"rpm\":5}}"
    error_message = "An identity's limits don't reach the function."
  }
  assert {
    condition = toset([for m in google_cloud_run_v2_service_iam_member.invoker : m.member]) == toset([
      "user:a@example.com", "serviceAccount:app@other-project.iam.gserviceaccount.com", "serviceAccount:jobs@my-project-1.iam.gserviceaccount.com",
    ])
    error_message = "Others may call than the named ones and the jobs."
  }
  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_AUTH == "iam"
    error_message = "The function doesn't know that IAM guards it, and would refuse everybody."
  }
  assert {
    condition = alltrue([for name in ["FLUXGATE_TOKENS_SECRET", "FLUXGATE_ADMIN_TOKENS_SECRET", "FLUXGATE_LIMITS", "FLUXGATE_CHAIN"] :
    !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), name)])
    error_message = "A setting is given that nobody has set."
  }
  assert {
    condition     = output.tokens == {} && length(google_secret_manager_secret_version.token) == 0
    error_message = "There is a token, but nobody has one."
  }
}

run "a_token_besides" {
  variables {
    callers = ["app"]
  }

  assert {
    condition     = !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), "FLUXGATE_CALLERS")
    error_message = "Limits are given that nobody has set."
  }

  assert {
    condition     = strcontains(output.curl, "Authorization: Bearer $(gcloud auth print-identity-token)") && strcontains(output.curl, "X-Fluxgate-Token: $(gcloud secrets versions access latest")
    error_message = "The curl command lacks the identity or the token; both are asked for."
  }
}

run "one_secret_per_key" {
  variables {
    key_secrets  = ["team-b", "team-a"]
    key_projects = ["b", "a"]
    keys_version = 7
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_KEYS_SECRET == "fluxgate-key-team-b,fluxgate-key-team-a"
    error_message = "The keys' secrets are others, or in another order, which is that of their IDs."
  }
  assert {
    condition     = { for k, v in google_secret_manager_secret_version.keys : k => tostring(v.secret_data_wo_version) } == { key-team-a = "7", key-team-b = "7" }
    error_message = "There isn't a secret per key."
  }
  assert {
    condition     = alltrue([for v in google_secret_manager_secret_version.keys : v.secret_data_wo == null])
    error_message = "A secret's value is in the state."
  }
}

run "keys_stay" {
  variables {
    keys      = []
    keep_keys = true
  }

  assert {
    condition     = tostring(google_secret_manager_secret_version.keys["keys"].secret_data_wo_version) == "1"
    error_message = "Without keys at hand there is nothing to be written."
  }
}

# What is written: the payloads are ephemeral, so they can only be looked at in a plan.
run "payloads" {
  command = plan

  variables {
    key_projects = ["a", "b"]
    callers      = ["app", "batch"]
    tokens       = { app = "0123456789abcdef", admin = "fedcba9876543210" }
  }

  assert {
    condition     = jsondecode(local.key_payloads.keys) == [{ key = "AQ.-first-key-000000000", project = "a" }, { key = "AQ.-second-key-00000000", project = "b" }]
    error_message = "The secret of the keys isn't what Fluxgate reads."
  }
  assert {
    condition     = local.token_payloads.token-app == "app:0123456789abcdef" && local.token_payloads.admin-admin == "admin:fedcba9876543210"
    error_message = "A token that was given isn't written."
  }
  assert {
    condition     = can(regex("^batch:[A-Za-z0-9]{43}$", local.token_payloads.token-batch))
    error_message = "Who has no token doesn't get a random one."
  }
}

run "payloads_of_one_secret_per_key" {
  command = plan

  variables {
    key_secrets = ["one", "two"]
  }

  assert {
    condition     = jsondecode(local.key_payloads.key-one) == [{ key = "AQ.-first-key-000000000", project = "" }] && jsondecode(local.key_payloads.key-two) == [{ key = "AQ.-second-key-00000000", project = "" }]
    error_message = "A secret holds another key than its own."
  }
}

# A build from before knows no billing accounts, so the field is only there where one is given.
run "payloads_with_billing" {
  command = plan

  variables {
    key_projects = ["a", "b"]
    key_billing  = ["acme", ""]
  }

  assert {
    condition     = jsondecode(local.key_payloads.keys) == [{ key = "AQ.-first-key-000000000", project = "a", billing = "acme" }, { key = "AQ.-second-key-00000000", project = "b", billing = "" }]
    error_message = "The billing accounts don't reach the function."
  }
}

run "payloads_with_tiers" {
  command = plan

  variables {
    key_projects = ["a", "b"]
    key_tiers    = ["1", ""]
  }

  assert {
    condition     = jsondecode(local.key_payloads.keys) == [{ key = "AQ.-first-key-000000000", project = "a", tier = "1" }, { key = "AQ.-second-key-00000000", project = "b" }]
    error_message = "The tiers don't reach the function."
  }
}

run "payloads_with_providers" {
  command = plan

  variables {
    key_projects  = ["a", "b"]
    key_providers = ["gemini", "openai"]
  }

  assert {
    condition     = jsondecode(local.key_payloads.keys) == [{ key = "AQ.-first-key-000000000", project = "a" }, { key = "AQ.-second-key-00000000", project = "b", provider = "openai" }]
    error_message = "The providers don't reach the function."
  }
}

run "payloads_with_a_provider_of_ones_own" {
  command = plan

  variables {
    key_secrets   = ["groq", "anthropic"]
    key_providers = ["groq", "anthropic"]
    key_tiers     = ["", ""]
    settings      = { FLUXGATE_PROVIDERS = "[{\"name\":\"groq\",\"base_url\":\"https://api.groq.com/openai/v1\"}]" }
    chain         = ["groq/llama-4", "anthropic/claude-sonnet-5"]
  }

  assert {
    condition = (
      jsondecode(local.key_payloads.key-groq) == [{ key = "AQ.-first-key-000000000", project = "", provider = "groq" }]
      && jsondecode(local.key_payloads.key-anthropic) == [{ key = "AQ.-second-key-00000000", project = "", provider = "anthropic" }]
    )
    error_message = "A key is another provider's than its own."
  }
  assert {
    condition = (
      jsondecode(google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_PROVIDERS)[0].name == "groq"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_CHAIN == "groq/llama-4,anthropic/claude-sonnet-5"
    )
    error_message = "The function isn't told where the keys are sent."
  }
}

# Without keys at hand their providers stay as they were written.
run "providers_stay_with_the_keys" {
  command = plan

  variables {
    keys          = []
    keep_keys     = true
    key_providers = ["openai", "gemini"]
  }

  assert {
    condition     = tostring(google_secret_manager_secret_version.keys["keys"].secret_data_wo_version) == "1" && local.key_payloads.keys == ""
    error_message = "Without keys at hand there is nothing to be written."
  }
}

run "no_keys_at_all" {
  variables {
    keys           = []
    oauth_projects = ["search-prod", "translate-prod"]
    key_tiers      = ["2", ""]
  }

  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].environment_variables.GEMINI_PROJECT_1 == "search-prod"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.GEMINI_PROJECT_2 == "translate-prod"
      && !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), "FLUXGATE_KEYS_SECRET")
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.GEMINI_TIER_1 == "2"
      && !contains(keys(google_cloudfunctions2_function.this.service_config[0].environment_variables), "GEMINI_TIER_2")
    )
    error_message = "The function isn't told which projects to call without a key."
  }
  assert {
    condition     = length(google_secret_manager_secret_version.keys) == 0 && keys(google_secret_manager_secret.this) == ["admin-admin"]
    error_message = "There is a secret for keys, but there are none."
  }
  assert {
    condition = { for p, m in google_project_iam_member.runtime_quota : p => [m.project, m.role, m.member] } == {
      for p in ["search-prod", "translate-prod"] : p => [p, "roles/serviceusage.serviceUsageConsumer", google_service_account.runtime.member]
    }
    error_message = "The function may not use the projects' quota."
  }
}

# Where an organisation forbids allUsers, the check is switched off instead, which no argument of the function's can.
run "tokens_without_all_users" {
  variables {
    access         = "tokens"
    callers        = ["app"]
    bind_everybody = false
  }

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "Somebody is bound whom the organisation may forbid."
  }
  assert {
    condition     = output.open == "gcloud run services update fluxgate --project=my-project-1 --region=us-central1 --no-invoker-iam-check"
    error_message = "Nobody is told how the service is opened."
  }
}

run "two_tokens_of_one_name" {
  variables {
    access         = "tokens"
    callers        = ["app", "batch"]
    admins         = ["root"]
    second_tokens  = ["app", "root"]
    token_versions = { "app.2" = 2, batch = 3 }
  }

  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_TOKENS_SECRET == "fluxgate-token-app,fluxgate-token-batch,fluxgate-token2-app"
      && google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_ADMIN_TOKENS_SECRET == "fluxgate-admin-root,fluxgate-admin2-root"
    )
    error_message = "The function isn't told where the second tokens are."
  }
  assert {
    condition     = { for k, v in google_secret_manager_secret_version.token : k => tostring(v.secret_data_wo_version) } == { token-app = "1", token-batch = "3", token2-app = "2", admin-root = "1", admin2-root = "1" }
    error_message = "One token can't be replaced without the other."
  }
  assert {
    condition     = toset(keys(google_secret_manager_secret_iam_member.runtime)) == toset(["keys", "token-app", "token-batch", "token2-app", "admin-root", "admin2-root"])
    error_message = "The function may not read exactly its own secrets."
  }
  assert {
    condition     = toset(keys(output.tokens)) == toset(["app", "app.2", "batch", "root", "root.2"])
    error_message = "There isn't a command for each token."
  }
}

run "secrets_stay_out_of_the_request_log" {
  assert {
    condition = alltrue([for url in [
      "https://x.run.app/v1beta/models?key=secret", "https://x.run.app/v1beta/models?alt=sse&key=secret", "https://x.run.app/x?$key=secret", "https://x.run.app/x?KEY=secret",
      "https://x.run.app/x?%6bey=secret", "https://x.run.app/x?a=b;access_token=secret", "https://x.run.app/tickets/AQAA",
      "https://x.run.app/upload/v1beta/files?upload_id=a&fluxgate_claim=b",
    ] : can(regex(local.secret_urls, url))])
    error_message = "An URL with a secret in it is logged."
  }
  assert {
    condition = alltrue([for url in [
      "https://x.run.app/v1beta/models", "https://x.run.app/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", "https://x.run.app/tickets",
      "https://x.run.app/v1beta/files?pageSize=10&pageToken=abc", "https://x.run.app/monkey?x=key",
    ] : !can(regex(local.secret_urls, url))])
    error_message = "Lines of requests are lost that have no secret."
  }
  assert {
    condition     = strcontains(google_logging_project_exclusion.secret_urls.filter, "resource.labels.service_name=\"fluxgate\"")
    error_message = "Lines of other services are lost."
  }
}
