locals {
  # The service's URL can be told before there is a service, from its name and the project's number. So it can be the
  # audience of the jobs' tokens and a setting of the function at once, which the URL in the function's own attributes
  # couldn't: that would be a circle. It is right in both modes of access. With "iam" Cloud Run asks for one of the
  # service's URLs before it lets the job in, and the function then checks the same token again; with "tokens" the
  # function is the only one that checks.
  audience = "https://${var.name}-${local.project_number}.${var.region}.run.app"

  given_limits = merge(
    { for name, l in var.limits : name => { for k, v in l : k => v if v != null } },
    length(var.project_limits) == 0 ? {} : {
      projects = { for p, limits in var.project_limits : p => { for name, l in limits : name => { for k, v in l : k => v if v != null } } }
    },
  )
  given_caller = { for name, l in var.caller_limits : name => { for k, v in l : k => v if v != null } }

  # Nine tenths of the memory, as internal/bodies takes of a container whose memory it can see. Said here because how an
  # instance sees its own depends on the execution environment. How much the bodies in flight may take follows from it.
  memory_limit = "${floor(local.mebibytes * 9 / 10)}MiB"

  # Of the profile, where settings don't say otherwise.
  size_settings = { FLUXGATE_SECRETS_TTL = local.size.secrets_ttl }

  environment = merge(
    local.size_settings,
    var.settings,
    {
      # With less than one an instance takes one request at a time (Cloud Run's rule), and each session of the Live API would
      # have an instance for itself.
      FLUXGATE_LIVE        = tostring(local.cpu >= 1)
      GOMEMLIMIT           = local.memory_limit
      GOOGLE_CLOUD_PROJECT = var.project
      FLUXGATE_STORE       = "firestore"
      FLUXGATE_DATABASE    = local.database
      FLUXGATE_COLLECTION  = var.collection
      FLUXGATE_TIMEOUT     = "${var.timeout - 60}s"
      GEMINI_MODE          = var.mode
    },
    length(var.oauth_projects) > 0 ? {} : {
      FLUXGATE_KEYS_SECRET = join(",", [for suffix in local.key_order : google_secret_manager_secret.this[suffix].secret_id])
    },
    # Projects that are called without a key.
    { for i, p in var.oauth_projects : "GEMINI_PROJECT_${i + 1}" => p },
    { for i, t in var.key_tiers : "GEMINI_TIER_${i + 1}" => t if length(var.oauth_projects) > 0 && t != "" },
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
    var.prefer == "" ? {} : { FLUXGATE_PREFER = var.prefer },
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

    # What GET /health and the log call the build by, since it has no repository to look at: the archive's own name.
    # https://docs.cloud.google.com/docs/buildpacks/go
    environment_variables = {
      GOOGLE_GOLDFLAGS = "-X fluxgate.dev/fluxgate/internal/build.source=${data.archive_file.source.output_sha256}"
    }

    # Google patches Go and the base image between deployments.
    automatic_update_policy {}
  }

  service_config {
    service_account_email = google_service_account.runtime.email
    environment_variables = local.environment

    max_instance_request_concurrency = local.concurrency
    available_cpu                    = tostring(local.cpu)
    available_memory                 = local.memory
    min_instance_count               = local.min_instances
    max_instance_count               = local.max_instances
    timeout_seconds                  = var.timeout
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true

    # All that it sends goes through the network, so that it comes from the network's address.
    direct_vpc_egress = var.vpc == null ? null : "VPC_EGRESS_ALL_TRAFFIC"
    dynamic "direct_vpc_network_interface" {
      for_each = var.vpc == null ? [] : [var.vpc]
      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
        tags       = direct_vpc_network_interface.value.tags
      }
    }
  }

  # Without what is among these the build is refused, or the first request fails.
  depends_on = [
    time_sleep.iam,
    google_secret_manager_secret_version.keys,
    google_secret_manager_secret_version.token,
    google_firestore_field.unindexed,
  ]
}

locals {
  url = google_cloudfunctions2_function.this.service_config[0].uri
}
