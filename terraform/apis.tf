locals {
  apis = toset(concat([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
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

# The API that tells a project's number. It is by itself because what is read of the project depends on it: a reading
# that waited for all APIs would be repeated, and everything made of it replaced, with each one that is added.
resource "google_project_service" "resource_manager" {
  project = var.project
  service = "cloudresourcemanager.googleapis.com"

  disable_on_destroy = false
}

moved {
  from = google_project_service.api["cloudresourcemanager.googleapis.com"]
  to   = google_project_service.resource_manager
}

# The project's number is part of the service's URL and of the names of Google's own accounts.
data "google_project" "this" {
  project_id = var.project

  depends_on = [google_project_service.resource_manager]
}

locals {
  project_number = data.google_project.this.number
}
