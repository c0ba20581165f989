# What Google would have computed.

mock_data "google_project" {
  defaults = { number = "123456789012" }
}

mock_resource "google_secret_manager_secret" {
  defaults = { id = "projects/my-project-1/secrets/mock" }
}

mock_resource "google_artifact_registry_repository" {
  defaults = { id = "projects/my-project-1/locations/us-central1/repositories/mock" }
}

mock_resource "google_cloudfunctions2_function" {
  defaults = {
    service_config = {
      uri     = "https://fluxgate-hash-uc.a.run.app"
      service = "projects/my-project-1/locations/us-central1/services/fluxgate"
    }
  }
}

mock_resource "google_monitoring_dashboard" {
  defaults = { id = "projects/123456789012/dashboards/abc" }
}

mock_resource "google_monitoring_notification_channel" {
  defaults = { id = "projects/my-project-1/notificationChannels/1" }
}

override_resource {
  target = google_service_account.runtime
  values = {
    id     = "projects/my-project-1/serviceAccounts/run@my-project-1.iam.gserviceaccount.com"
    email  = "run@my-project-1.iam.gserviceaccount.com"
    member = "serviceAccount:run@my-project-1.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.build
  values = {
    id     = "projects/my-project-1/serviceAccounts/build@my-project-1.iam.gserviceaccount.com"
    email  = "build@my-project-1.iam.gserviceaccount.com"
    member = "serviceAccount:build@my-project-1.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.jobs[0]
  values = {
    id     = "projects/my-project-1/serviceAccounts/jobs@my-project-1.iam.gserviceaccount.com"
    email  = "jobs@my-project-1.iam.gserviceaccount.com"
    member = "serviceAccount:jobs@my-project-1.iam.gserviceaccount.com"
  }
}
