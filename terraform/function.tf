locals {
  # The service's URL can be told before there is a service, from its name and the project's number. So it can be the
  # audience of the jobs' tokens and a setting of the function at once, which the URL in the function's own attributes
  # couldn't: that would be a circle. It is right in both modes of access. With "iam" Cloud Run asks for one of the
  # service's URLs before it lets the job in, and the function then checks the same token again; with "tokens" the
  # function is the only one that checks.
  audience = "https://${var.name}-${local.project_number}.${var.region}.run.app"

  given_limits = { for name, l in var.limits : name => { for k, v in l : k => v if v != null } }
  given_caller = { for name, l in var.caller_limits : name => { for k, v in l : k => v if v != null } }

  environment = merge(
    var.settings,
    {
      GOOGLE_CLOUD_PROJECT = var.project
      FLUXGATE_STORE       = "firestore"
      FLUXGATE_DATABASE    = local.database
      FLUXGATE_COLLECTION  = var.collection
      FLUXGATE_KEYS_SECRET = join(",", [for suffix in local.key_order : google_secret_manager_secret.this[suffix].secret_id])
      FLUXGATE_TIMEOUT     = "${var.timeout - 60}s"
      GEMINI_MODE          = var.mode
    },
    # IAM guards the service: without this Fluxgate wouldn't serve without tokens.
    var.access == "iam" ? { FLUXGATE_AUTH = "iam" } : {},
    length(var.callers) == 0 ? {} : {
      FLUXGATE_TOKENS_SECRET = join(",", concat(
        [for c in var.callers : google_secret_manager_secret.this["token-${c}"].secret_id],
        [for c in var.callers : google_secret_manager_secret.this["token2-${c}"].secret_id if contains(var.second_tokens, c)],
      ))
    },
    length(var.admins) == 0 ? {} : {
      FLUXGATE_ADMIN_TOKENS_SECRET = join(",", concat(
        [for c in var.admins : google_secret_manager_secret.this["admin-${c}"].secret_id],
        [for c in var.admins : google_secret_manager_secret.this["admin2-${c}"].secret_id if contains(var.second_tokens, c)],
      ))
    },
    length(local.given_limits) == 0 ? {} : { FLUXGATE_LIMITS = jsonencode(local.given_limits) },
    length(local.given_caller) == 0 ? {} : { FLUXGATE_CALLERS = jsonencode(local.given_caller) },
    length(var.chain) == 0 ? {} : { FLUXGATE_CHAIN = join(",", var.chain) },
    # Whoever brings a token of this account for this audience, signed by Google, is one of the jobs.
    var.jobs ? {
      FLUXGATE_JOBS_ACCOUNT  = google_service_account.jobs[0].email
      FLUXGATE_JOBS_AUDIENCE = local.audience
    } : {},
  )

  # In the order of keys, whose positions are their IDs.
  key_order = length(var.key_secrets) == 0 ? ["keys"] : [for s in var.key_secrets : "key-${s}"]
}

resource "google_cloudfunctions2_function" "this" {
  project     = var.project
  name        = var.name
  location    = var.region
  description = "Fluxgate: Gemini API within its limits"
  labels      = var.labels

  build_config {
    runtime           = "go126"
    entry_point       = "Fluxgate"
    service_account   = google_service_account.build.id
    docker_repository = google_artifact_registry_repository.images.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }

    # Google patches Go and the base image between deployments.
    automatic_update_policy {}
  }

  service_config {
    service_account_email = google_service_account.runtime.email
    environment_variables = local.environment

    # A request waits for Gemini nearly all of its time, so an instance takes many. More than one needs a whole vCPU.
    max_instance_request_concurrency = 80
    available_cpu                    = "1"
    available_memory                 = var.memory
    min_instance_count               = var.min_instances
    max_instance_count               = var.max_instances
    timeout_seconds                  = var.timeout
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true
  }

  # The build is refused without the first, and the first request fails without the others. IAM takes about a minute to
  # be heeded everywhere, which the indexes of the database, also among them, take anyway.
  depends_on = [
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.build_log,
    google_project_iam_member.build_source,
    google_project_iam_member.runtime_datastore,
    google_secret_manager_secret_iam_member.runtime,
    google_secret_manager_secret_version.keys,
    google_secret_manager_secret_version.token,
    google_firestore_field.unindexed,
  ]
}

locals {
  url = google_cloudfunctions2_function.this.service_config[0].uri
}
