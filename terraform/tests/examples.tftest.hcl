# The examples are plans that hold.

mock_provider "google" {
  source = "./tests/mocks"
}

# It would wait.
mock_provider "time" {}

variables {
  project = "my-project-1"
}

run "minimal" {
  command = plan

  module {
    source = "./examples/minimal"
  }
  variables {
    keys = ["AQ.-first-key-000000000"]
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
    keys            = ["AQ.-first-key-000000000", "AQ.-second-key-00000000", "AQ.-third-key-000000000"]
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

run "pool" {
  command = plan

  module {
    source = "./examples/pool"
  }
  variables {
    key_projects = ["search-prod", "translate-prod"]
    keys_version = 2
  }

  assert {
    condition = { for p, k in google_apikeys_key.gemini : p => [k.project, k.name, k.restrictions[0].api_targets[0].service] } == {
      for p in ["search-prod", "translate-prod"] : p => [p, "fluxgate-2", "generativelanguage.googleapis.com"]
    }
    error_message = "The keys aren't one a project, named by their version and good for Gemini alone."
  }
  assert {
    condition     = toset(keys(google_project_service.gemini)) == toset([for pair in setproduct(["search-prod", "translate-prod"], ["apikeys.googleapis.com", "generativelanguage.googleapis.com"]) : join("/", pair)])
    error_message = "An API isn't enabled where it is used."
  }
}

run "domain" {
  command = plan

  module {
    source = "./examples/domain"
  }
  variables {
    keys   = ["AQ.-first-key-000000000"]
    domain = "gemini.example.com"
  }

  assert {
    condition     = google_compute_managed_ssl_certificate.this.managed[0].domains == tolist(["gemini.example.com"]) && output.url == "https://gemini.example.com"
    error_message = "The certificate is for another name."
  }
}
