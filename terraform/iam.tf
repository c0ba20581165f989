# Three accounts. Which call needs which role is listed in README.md.

resource "google_service_account" "runtime" {
  project      = var.project
  account_id   = "${var.name}-run"
  display_name = "${var.name}: runs the function"

  depends_on = [google_project_service.api]
}

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "${var.name}: builds the function"

  depends_on = [google_project_service.api]
}

# It has no role but that of calling the function, by which the function knows its jobs.
resource "google_service_account" "jobs" {
  count = var.jobs ? 1 : 0

  project      = var.project
  account_id   = "${var.name}-jobs"
  display_name = "${var.name}: calls the function for Cloud Scheduler"

  depends_on = [google_project_service.api]
}

# --- Runtime ---

# What is taken from a deployment that runs is taken when the function no longer asks for it (create_before_destroy).
# Without that Terraform takes it first, and while the function is built again, an instance of the revision before can't
# start.

resource "google_project_iam_member" "runtime_datastore" {
  project = var.project
  role    = "roles/datastore.user"
  member  = google_service_account.runtime.member

  # Other databases of the project are none of its business.
  condition {
    title      = "${var.name} database"
    expression = "resource.name == \"projects/${var.project}/databases/${var.database}\""
  }

  lifecycle {
    create_before_destroy = true
  }
}

# To name a project in x-goog-user-project takes serviceusage.services.use there.
resource "google_project_iam_member" "runtime_quota" {
  for_each = toset(var.oauth_projects)

  project = each.value
  role    = "roles/serviceusage.serviceUsageConsumer"
  member  = google_service_account.runtime.member

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "runtime" {
  for_each = google_secret_manager_secret.this

  project   = var.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runtime.member

  lifecycle {
    create_before_destroy = true
  }
}

# --- Build ---

resource "google_project_iam_member" "build_log" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

# Cloud Functions copies the archive into a bucket of its own, which there isn't before the first build.
resource "google_project_iam_member" "build_source" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member

  condition {
    title      = "${var.name} source"
    expression = join(" || ", [for b in ["gcf-v2-sources-", local.source_bucket] : "resource.name.startsWith(\"projects/_/buckets/${b}\")"])
  }
}

# IAM takes a while to be heeded everywhere, about a minute as a rule: https://docs.cloud.google.com/iam/docs/access-change-propagation.
# Without the wait a first apply would depend on luck, and so would each that adds a secret, a project or a database to a
# function that runs: its new instances couldn't start.
resource "time_sleep" "iam" {
  create_duration = "60s"

  triggers = {
    runtime  = google_service_account.runtime.member
    build    = google_service_account.build.member
    secrets  = join(" ", keys(google_secret_manager_secret_iam_member.runtime))
    projects = join(" ", keys(google_project_iam_member.runtime_quota))
    database = var.database
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.build_log,
    google_project_iam_member.build_source,
    google_project_iam_member.runtime_datastore,
    google_project_iam_member.runtime_quota,
    google_secret_manager_secret_iam_member.runtime,
  ]
}

# --- Callers ---

locals {
  invokers = merge(
    { for m in var.invokers : m => m },
    # Fluxgate's own tokens decide.
    var.access == "tokens" && var.bind_everybody ? { everybody = "allUsers" } : {},
    var.access == "iam" && var.jobs ? { jobs = google_service_account.jobs[0].member } : {},
  )
}

# A function is a Cloud Run service of the same name, and that is where it is decided who may call.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invokers

  project  = var.project
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = each.value
}
