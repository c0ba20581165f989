# What an apply with nothing but a project and keys makes.

mock_provider "google" {
  source = "./tests/mocks"
}

# It would wait.
mock_provider "time" {}

variables {
  project = "my-project-1"
  keys    = ["AQ.-first-key-000000000", "AQ.-second-key-00000000"]
  # The default, but a run that applies wants ephemeral variables to be set.
  tokens = {}
}

run "defaults" {
  assert {
    condition = toset(keys(google_project_service.api)) == toset([
      "artifactregistry.googleapis.com", "cloudbuild.googleapis.com", "cloudfunctions.googleapis.com",
      "cloudscheduler.googleapis.com", "firestore.googleapis.com",
      "iam.googleapis.com", "logging.googleapis.com", "monitoring.googleapis.com", "run.googleapis.com",
      "secretmanager.googleapis.com", "storage.googleapis.com",
    ])
    error_message = "The APIs that are enabled are others."
  }
  assert {
    condition     = alltrue([for s in concat(values(google_project_service.api), [google_project_service.resource_manager]) : s.disable_on_destroy == false])
    error_message = "A destroy would switch an API off that others may use."
  }

  # Firestore
  assert {
    condition = (
      google_firestore_database.this[0].name == "(default)"
      && google_firestore_database.this[0].location_id == "us-central1"
      && google_firestore_database.this[0].type == "FIRESTORE_NATIVE"
      && google_firestore_database.this[0].concurrency_mode == "OPTIMISTIC"
      && google_firestore_database.this[0].delete_protection_state == "DELETE_PROTECTION_ENABLED"
      && google_firestore_database.this[0].deletion_policy == "ABANDON"
    )
    error_message = "The database isn't native, optimistic and protected."
  }
  assert {
    condition = toset([for f in google_firestore_field.unindexed : f.field]) == toset(["state", "sections", "data"]) && alltrue([
      for f in google_firestore_field.unindexed :
      f.collection == "fluxgate" && f.database == "(default)" && length(f.index_config) == 1 && length(f.index_config[0].indexes) == 0
    ])
    error_message = "The documents' payloads are indexed."
  }
  assert {
    condition     = length(google_firestore_field.expiry) == 0
    error_message = "Documents expire although nobody asked for it."
  }

  # Secrets
  assert {
    condition     = toset([for s in google_secret_manager_secret.this : s.secret_id]) == toset(["fluxgate-keys", "fluxgate-admin-admin"])
    error_message = "There should be one secret for all keys, and one for the administrator."
  }
  assert {
    condition = alltrue([for v in concat(values(google_secret_manager_secret_version.keys), values(google_secret_manager_secret_version.token)) :
    v.secret_data_wo == null && v.secret_data == null && tostring(v.secret_data_wo_version) == "1"])
    error_message = "A secret's value is in the state."
  }

  # The source
  assert {
    condition     = google_storage_bucket_object.source.name == "${data.archive_file.source.output_sha256}.zip"
    error_message = "The archive isn't named by its hash, so that a change wouldn't be deployed."
  }
  assert {
    condition     = data.archive_file.source.output_size > 100000 && data.archive_file.source.output_size < 1000000
    error_message = "The source archive isn't between 0.1 and 1 MB."
  }
  assert {
    condition = (
      google_storage_bucket.source.uniform_bucket_level_access
      && google_storage_bucket.source.public_access_prevention == "enforced"
    )
    error_message = "The source could be made public."
  }

  # The function
  assert {
    condition = (
      google_cloudfunctions2_function.this.build_config[0].runtime == "go126"
      && google_cloudfunctions2_function.this.build_config[0].entry_point == "Fluxgate"
      && google_cloudfunctions2_function.this.build_config[0].service_account == google_service_account.build.id
      && google_cloudfunctions2_function.this.build_config[0].environment_variables.GOOGLE_GOLDFLAGS == "-X fluxgate.dev/fluxgate/internal/build.source=${data.archive_file.source.output_sha256}"
      && google_cloudfunctions2_function.this.build_config[0].source[0].storage_source[0].object == google_storage_bucket_object.source.name
    )
    error_message = "The function is built from something else, or as somebody else."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 80
      && google_cloudfunctions2_function.this.service_config[0].available_cpu == "1"
      && google_cloudfunctions2_function.this.service_config[0].available_memory == "512Mi"
      && google_cloudfunctions2_function.this.service_config[0].min_instance_count == 0
      && google_cloudfunctions2_function.this.service_config[0].max_instance_count == 3
      && google_cloudfunctions2_function.this.service_config[0].timeout_seconds == 360
      && google_cloudfunctions2_function.this.service_config[0].ingress_settings == "ALLOW_ALL"
      && google_cloudfunctions2_function.this.service_config[0].service_account_email == google_service_account.runtime.email
    )
    error_message = "The function runs with other means."
  }
  assert {
    condition = google_cloudfunctions2_function.this.service_config[0].environment_variables == tomap({
      GOMEMLIMIT                   = "460MiB"
      GOOGLE_CLOUD_PROJECT         = "my-project-1"
      GEMINI_MODE                  = "both"
      FLUXGATE_STORE               = "firestore"
      FLUXGATE_DATABASE            = "(default)"
      FLUXGATE_COLLECTION          = "fluxgate"
      FLUXGATE_AUTH                = "iam"
      FLUXGATE_KEYS_SECRET         = "fluxgate-keys"
      FLUXGATE_ADMIN_TOKENS_SECRET = "fluxgate-admin-admin"
      FLUXGATE_SECRETS_TTL         = "15m"
      FLUXGATE_LIVE                = "true"
      FLUXGATE_TIMEOUT             = "300s"
      FLUXGATE_JOBS_ACCOUNT        = google_service_account.jobs[0].email
      FLUXGATE_JOBS_AUDIENCE       = "https://fluxgate-123456789012.us-central1.run.app"
    })
    error_message = "The function's environment is another."
  }

  # Who may do what
  assert {
    condition = (
      google_project_iam_member.runtime_datastore.role == "roles/datastore.user"
      && google_project_iam_member.runtime_datastore.member == google_service_account.runtime.member
      && google_project_iam_member.runtime_datastore.condition[0].expression == "resource.name == \"projects/my-project-1/databases/(default)\""
    )
    error_message = "The function may use other databases, or not its own."
  }
  assert {
    condition = toset(keys(google_secret_manager_secret_iam_member.runtime)) == toset(keys(google_secret_manager_secret.this)) && alltrue([
      for suffix, m in google_secret_manager_secret_iam_member.runtime :
      m.role == "roles/secretmanager.secretAccessor" && m.member == google_service_account.runtime.member
      && m.secret_id == google_secret_manager_secret.this[suffix].secret_id
    ])
    error_message = "The function may not read exactly its own secrets."
  }
  assert {
    condition = (
      google_project_iam_member.build_log.role == "roles/logging.logWriter"
      && google_artifact_registry_repository_iam_member.build.role == "roles/artifactregistry.writer"
      && google_project_iam_member.build_source.role == "roles/storage.objectViewer"
      && google_project_iam_member.build_source.condition[0].expression == "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\") || resource.name.startsWith(\"projects/_/buckets/my-project-1-fluxgate-source\")"
      && alltrue([for m in [google_project_iam_member.build_log, google_artifact_registry_repository_iam_member.build, google_project_iam_member.build_source] : m.member == google_service_account.build.member])
    )
    error_message = "The build may do something else than log, read the source and write its images."
  }
  assert {
    condition = { for k, m in google_cloud_run_v2_service_iam_member.invoker : k => [m.role, m.member, m.name] } == {
      jobs = ["roles/run.invoker", google_service_account.jobs[0].member, "fluxgate"]
    }
    error_message = "Somebody else than the jobs may call."
  }

  # A fresh grant isn't heeded everywhere: the function is made a minute after the last of them.
  assert {
    condition     = time_sleep.iam.create_duration == "60s" && length(time_sleep.uptime) == 1
    error_message = "The first apply depends on luck."
  }

  # Jobs
  assert {
    condition = {
      for j in google_cloud_scheduler_job.this : j.name => [j.http_target[0].http_method, j.http_target[0].uri, j.schedule]
      } == {
      fluxgate-validate       = ["POST", "https://fluxgate-hash-uc.a.run.app/validate", "10 0 * * *"]
      fluxgate-refresh-policy = ["POST", "https://fluxgate-hash-uc.a.run.app/refresh-policy", "20 0 * * 1"]
    }
    error_message = "The jobs aren't a daily validation and a weekly refresh of the policy."
  }
  assert {
    condition = alltrue([for j in google_cloud_scheduler_job.this :
      j.time_zone == "America/Los_Angeles"
      && j.http_target[0].oidc_token[0].service_account_email == google_service_account.jobs[0].email
      && j.http_target[0].oidc_token[0].audience == google_cloudfunctions2_function.this.service_config[0].environment_variables.FLUXGATE_JOBS_AUDIENCE
    ])
    error_message = "The jobs don't bring the token that the function asks for."
  }

  # Outputs
  assert {
    condition     = output.url == "https://fluxgate-hash-uc.a.run.app"
    error_message = "The URL is another."
  }
  assert {
    condition     = output.curl == "curl -s -H \"Authorization: Bearer $(gcloud auth print-identity-token)\" https://fluxgate-hash-uc.a.run.app/generate -d '{\"prompt\":\"Hello world\"}'"
    error_message = "The curl command is another."
  }
  assert {
    condition     = output.tokens == { admin = "gcloud secrets versions access latest --project=my-project-1 --secret=fluxgate-admin-admin | cut -d: -f2-" }
    error_message = "The command that prints the administrator's token is another."
  }
  assert {
    condition     = output.console.dashboard == "https://console.cloud.google.com/monitoring/dashboards/builder/abc?project=my-project-1"
    error_message = "The dashboard's address is another."
  }
}
