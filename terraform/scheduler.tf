locals {
  jobs = !var.jobs ? {} : {
    validate = {
      description = "Asks Gemini whether every key still works, with a free request each."
      # After Pacific midnight, when the day's quota is new.
      schedule = "10 0 * * *"
      path     = "/validate"
    }
    refresh-policy = {
      description = "Asks for the limits that Google publishes."
      schedule    = "20 0 * * 1"
      path        = "/refresh-policy"
    }
  }
}

resource "google_cloud_scheduler_job" "this" {
  for_each = local.jobs

  project          = var.project
  region           = var.region
  name             = "${var.name}-${each.key}"
  description      = each.value.description
  schedule         = each.value.schedule
  time_zone        = "America/Los_Angeles"
  attempt_deadline = "300s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "60s"
  }

  http_target {
    http_method = "POST"
    uri         = "${local.url}${each.value.path}"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")

    oidc_token {
      service_account_email = google_service_account.jobs[0].email
      audience              = local.audience
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}
