# What an instance has, by profile. `fluxgate cost --profile` computes what each costs from the same numbers;
# internal/terraformtest holds the two together.

locals {
  profiles = {
    # Within Google's free tier as far as it goes: a request is billed for 0.08 vCPU instead of 1. Less than one vCPU takes
    # one request at a time, so there are as many instances as requests.
    free = { cpu = 0.08, memory = "192Mi", concurrency = 1, min_instances = 0, max_instances = 40, secrets_ttl = "6h", alerts = false }
    # For a day's requests in one go: one instance has nobody to read after, and shares its commits. Ten at a time take a
    # tenth of its time each, so it stays within the free tier too, as long as it isn't kept busy all day long.
    batch = { cpu = 1, memory = "512Mi", concurrency = 80, min_instances = 0, max_instances = 1, secrets_ttl = "15m", alerts = false }
    # A request waits for Gemini nearly all of its time, so an instance takes many, as long as it has memory for their
    # bodies. More than one at a time needs a whole vCPU.
    default = { cpu = 1, memory = "512Mi", concurrency = 80, min_instances = 0, max_instances = 3, secrets_ttl = "15m", alerts = true }
    # Few and full instances, one of them always there: fewer lost races at the same documents, and no cold start.
    busy = { cpu = 2, memory = "2Gi", concurrency = 200, min_instances = 1, max_instances = 10, secrets_ttl = "15m", alerts = true }
  }

  size          = local.profiles[var.profile]
  cpu           = coalesce(var.cpu, local.size.cpu)
  memory        = coalesce(var.memory, local.size.memory)
  concurrency   = coalesce(var.concurrency, local.cpu < 1 ? 1 : local.size.concurrency)
  min_instances = coalesce(var.min_instances, local.size.min_instances)
  max_instances = coalesce(var.max_instances, max(local.size.max_instances, local.min_instances))

  mebibytes = tonumber(trimsuffix(trimsuffix(local.memory, "Mi"), "Gi")) * (endswith(local.memory, "Gi") ? 1024 : 1)
  # What Cloud Run gives to so much CPU at most: https://docs.cloud.google.com/run/docs/configuring/services/cpu
  most_mebibytes = [for most in [[0.499, 512], [0.999, 1024], [1, 4096], [2, 8192], [4, 16384], [6, 24576], [8, 32768]] : most[1] if local.cpu <= most[0]][0]

  alerts_on = var.monitoring && coalesce(var.alerts, local.size.alerts)
}
