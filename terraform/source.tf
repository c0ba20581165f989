locals {
  source_bucket = "${var.project}-${var.name}-source"

  # What .gcloudignore and .gitignore say, in the archive provider's patterns: "**" is any number of folders, and what
  # matches a folder leaves out all that is in it. internal/terraformtest holds the two together.
  source_excludes = [
    # All that begins with a dot, at the root; what could hold a secret, anywhere. (".*" alone would match the root.)
    ".?*", "**/.env", "**/.env.*", "**/.terraform",
    "**/*.tfstate", "**/*.tfstate.*", "**/*.tfvars",
    # Documents and the deployment.
    "README.md", "terraform",
    # The command line, and what only its commands use.
    "cmd", "internal/anthropicsim", "internal/batch", "internal/bench", "internal/cost", "internal/devserver", "internal/emulator",
    "internal/geminisim", "internal/inmemory", "internal/openaisim", "internal/remote", "internal/simquota", "internal/simserver",
    "internal/terminal", "internal/wait",
    # Tests and what is only for them.
    "**/*_test.go", "**/testdata",
    "internal/acceptance", "internal/archtest", "internal/clients", "internal/functiontest",
    "internal/nodetest", "internal/pagetest", "internal/race", "internal/simulation", "internal/standstill", "internal/terraformtest", "internal/testbuffer", "internal/testlock", "internal/threadtime",
    "internal/upgradetest",
    "storage/internal/codec/codectest", "storage/storetest",
    # What a checkout makes.
    "fluxgate", "serverless_function_source_code", "**/node_modules",
    "**/*.test", "**/*.out", "**/*.prof", "**/coverage.*", "**/*.zip", "**/*.results.jsonl",
  ]
}

data "archive_file" "source" {
  type        = "zip"
  source_dir  = "${path.module}/.."
  excludes    = local.source_excludes
  output_path = "${path.root}/.terraform/${var.name}-source.zip"

  # The same files make the same archive on every machine.
  output_file_mode            = "0644"
  exclude_symlink_directories = true
}

resource "google_storage_bucket" "source" {
  project  = var.project
  name     = local.source_bucket
  location = var.region
  labels   = var.labels

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  # All in it is made from the checkout.
  force_destroy = true

  # A deleted archive is of no use to anybody; by default it would be kept, and paid for, for a week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.api]
}

resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  # Named by its hash: another source is another object, and that is what makes the function be built again.
  name         = "${data.archive_file.source.output_sha256}.zip"
  source       = data.archive_file.source.output_path
  content_type = "application/zip"

  lifecycle {
    create_before_destroy = true
  }
}

# A repository of our own, so that the build may write to it and to no other.
resource "google_artifact_registry_repository" "images" {
  project       = var.project
  location      = var.region
  repository_id = "${var.name}-images"
  description   = "Images of the function ${var.name}, as its builds make them."
  format        = "DOCKER"
  labels        = var.labels

  # Every deployment leaves an image. Two allow going back; more would outgrow the free half gigabyte.
  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 2
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "604800s"
    }
  }

  depends_on = [google_project_service.api]
}
