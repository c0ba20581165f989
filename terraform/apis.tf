locals {
  apis = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
    ],
    var.jobs ? ["cloudscheduler.googleapis.com"] : [],
    var.monitoring ? ["monitoring.googleapis.com"] : [],
    var.budget != null ? ["billingbudgets.googleapis.com"] : [],
  ))
}

resource "google_project_service" "api" {
  for_each = local.apis

  project = var.project
  service = each.value

  # Others in the project may use it too.
  disable_on_destroy = false
}

# The project's number is part of the service's URL and of the names of Google's own accounts. It is read after the APIs
# have been enabled: a new project doesn't have the one that tells it.
data "google_project" "this" {
  project_id = var.project

  depends_on = [google_project_service.api]
}

locals {
  project_number = data.google_project.this.number
}
