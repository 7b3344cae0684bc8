# Policies over accounts. Run in the management account of the organisation, after the service stands.
terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7.0"
    }
  }
}

variable "service" {
  description = "The account of the service, and what its policy names; null in an organisation that has none."
  type = object({
    account          = string
    region           = string
    key_id           = string
    prefix           = string
    service_role     = string
    deploy_role      = string
    break_glass_role = string
  })
  default = null
}

variable "cosigner" {
  description = "The account of the one cosigner that this organisation holds, and its roles; null: none. There is no second one."
  type = object({
    account          = string
    cosigner_role    = string
    break_glass_role = string
  })
  default = null

  validation {
    condition     = var.cosigner == null || var.service == null
    error_message = "Who holds the account of the service holds no cosigner: docs/aws.md says why."
  }
}

locals {
  policies = "${path.module}/../../aws"
  guards = merge(
    var.service == null ? {} : {
      service = {
        account = var.service.account
        content = templatefile("${local.policies}/account-guard.json", var.service)
      }
    },
    var.cosigner == null ? {} : {
      cosigner = {
        account = var.cosigner.account
        content = templatefile("${local.policies}/cosigner-account-guard.json", var.cosigner)
      }
    },
  )
}

resource "aws_organizations_policy" "guard" {
  for_each    = local.guards
  name        = "hyperkms-${each.key}"
  description = "What nobody does in the account of ${each.key}"
  type        = "SERVICE_CONTROL_POLICY"
  content     = jsonencode(jsondecode(each.value.content))
}

resource "aws_organizations_policy_attachment" "guard" {
  for_each  = local.guards
  policy_id = aws_organizations_policy.guard[each.key].id
  target_id = each.value.account
}
