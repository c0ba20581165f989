# What a later apply leaves alone.

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

run "first" {
}

# Its APIs are one more. If the project were read anew for that, its number, the audience and the function would be as
# good as changed: then the condition can't be told, and the run fails.
run "a_budget_is_added" {
  command = plan

  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 20 }
  }

  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_JOBS_AUDIENCE == "https://fluxgate-123456789012.us-central1.run.app"
    error_message = "The audience is another."
  }
}

# Firestore can't move a database. Another one would be empty, and the one before is protected and keeps the name.
run "another_region" {
  command = plan

  variables {
    region = "europe-west1"
  }

  assert {
    condition     = google_firestore_database.this[0].location_id == "us-central1"
    error_message = "The database would be replaced."
  }
  assert {
    condition     = google_cloudfunctions2_function.this.location == "europe-west1"
    error_message = "The function stays where it was."
  }
}

# The function's new instances need the right to read it, so it waits for IAM once more.
run "a_caller_is_added" {
  command = plan

  variables {
    callers = ["app"]
  }

  assert {
    condition     = time_sleep.iam.triggers.secrets == "admin-admin keys token-app"
    error_message = "The function is changed before IAM has heard of the new secret."
  }
  assert {
    condition     = tostring(google_secret_manager_secret_version.keys["keys"].secret_data_wo_version) == "1" && google_secret_manager_secret.this["keys"].secret_id == "fluxgate-keys"
    error_message = "The keys would be written again."
  }
}

run "another_database" {
  command = plan

  variables {
    database        = "shared"
    create_database = false
  }

  assert {
    condition     = time_sleep.iam.triggers.database == "shared"
    error_message = "The function is changed before IAM has heard that it may use the database."
  }
}
