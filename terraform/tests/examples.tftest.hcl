# The examples are plans that hold.

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project = "my-project-1"
}

run "minimal" {
  command = plan

  module {
    source = "./examples/minimal"
  }
  variables {
    keys = ["AIza-first-key-000000000"]
  }

  assert {
    condition     = module.fluxgate.tokens.admin == "gcloud secrets versions access latest --project=my-project-1 --secret=fluxgate-admin-admin | cut -d: -f2-"
    error_message = "The example makes something else."
  }
}

run "complete" {
  command = plan

  module {
    source = "./examples/complete"
  }
  variables {
    keys            = ["AIza-first-key-000000000", "AIza-second-key-00000000", "AIza-third-key-000000000"]
    billing_account = "012345-6789AB-CDEF01"
  }

  assert {
    condition = toset(module.fluxgate.secrets) == toset([
      "gemini-key-search-1", "gemini-key-search-2", "gemini-key-translate", "gemini-token-web", "gemini-token-batch", "gemini-admin-root",
    ])
    error_message = "The example makes other secrets."
  }
}

run "complete_again_without_keys" {
  command = plan

  module {
    source = "./examples/complete"
  }
  variables {
    keep_keys = true
  }

  assert {
    condition     = length(module.fluxgate.secrets) == 6
    error_message = "The example makes other secrets."
  }
}
