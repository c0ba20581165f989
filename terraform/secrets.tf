# Every value in this file is write-only: it goes to Secret Manager and is in no state and in no plan. Terraform can't
# tell whether it has changed, so a version number says when to write it: keys_version and token_versions.

locals {
  # By the suffix of the secret's name. Only names decide how many there are; values are ephemeral and can't.
  key_secrets = length(var.oauth_projects) > 0 ? {} : length(var.key_secrets) == 0 ? { keys = null } : { for i, s in var.key_secrets : "key-${s}" => i }

  # In the form that Fluxgate reads. Without keys, which keep_keys allows, it is empty, and Secret Manager refuses to
  # keep an empty value: so a first apply without keys fails there instead of deploying a function that can't start.
  key_entries = [for i, k in var.keys : merge(
    { key = k, project = length(var.key_projects) > i ? var.key_projects[i] : "" },
    length(var.key_billing) > i ? { billing = var.key_billing[i] } : {},
    # Builds from before there were tiers refuse entries that have one.
    length(var.key_tiers) > i && try(var.key_tiers[i] != "", false) ? { tier = var.key_tiers[i] } : {},
    # And so with providers.
    length(var.key_providers) > i && try(!contains(["", "gemini"], var.key_providers[i]), false) ? { provider = var.key_providers[i] } : {},
  )]
  key_payloads = {
    for suffix, i in local.key_secrets : suffix => (
      length(var.keys) <= coalesce(i, 0) ? "" : jsonencode(i == null ? local.key_entries : [local.key_entries[i]])
    )
  }

  # By the suffix of the secret's name: whose token it is, with ".2" behind the name for the second of two.
  token_secrets = merge(
    { for c in var.callers : "token-${c}" => c },
    { for c in var.callers : "token2-${c}" => "${c}.2" if contains(var.second_tokens, c) },
  )
  admin_secrets = merge(
    { for c in var.admins : "admin-${c}" => c },
    { for c in var.admins : "admin2-${c}" => "${c}.2" if contains(var.second_tokens, c) },
  )
}

resource "google_secret_manager_secret" "this" {
  for_each = toset(concat(keys(local.key_secrets), keys(local.token_secrets), keys(local.admin_secrets)))

  project   = var.project
  secret_id = "${var.name}-${each.value}"
  labels    = var.labels

  replication {
    auto {}
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_version" "keys" {
  for_each = local.key_secrets

  secret         = google_secret_manager_secret.this[each.key].id
  secret_data_wo = local.key_payloads[each.key]
  # A text since 8 of the provider, a number before, which takes a text as well.
  secret_data_wo_version = tostring(var.keys_version)

  # Running instances read the latest version now and then: at no time may there be none. The one before is
  # destroyed, because a rotated key is often a leaked one.
  lifecycle {
    create_before_destroy = true
  }
}

# Another value in every run, of which only the one is kept that is written. 43 letters and digits are 256 bits.
ephemeral "random_password" "token" {
  for_each = toset(concat(var.callers, var.admins, [for c in var.second_tokens : "${c}.2"]))

  length  = 43
  special = false
}

locals {
  token_payloads = {
    for suffix, name in merge(local.token_secrets, local.admin_secrets) :
    suffix => "${trimsuffix(name, ".2")}:${lookup(var.tokens, name, ephemeral.random_password.token[name].result)}"
  }
}

resource "google_secret_manager_secret_version" "token" {
  for_each = merge(local.token_secrets, local.admin_secrets)

  secret                 = google_secret_manager_secret.this[each.key].id
  secret_data_wo         = local.token_payloads[each.key]
  secret_data_wo_version = tostring(lookup(var.token_versions, each.value, 1))

  lifecycle {
    create_before_destroy = true
  }
}
