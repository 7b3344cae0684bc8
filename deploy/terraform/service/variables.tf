variable "account" {
  description = "The account of the service, and of nothing else."
  type        = string
}

variable "region" {
  description = "AWS_REGION."
  type        = string
}

variable "vpc" {
  description = "The VPC, and the subnets of the service, which no internet gateway leads from."
  type = object({
    id           = string
    subnets      = list(string)
    route_tables = list(string)
    zone         = string
  })
}

variable "bots" {
  description = "Networks that may reach the load balancer."
  type        = list(string)
  validation {
    condition     = length(var.bots) > 0 && !contains(var.bots, "0.0.0.0/0") && !contains(var.bots, "::/0")
    error_message = "Name the bots' networks: the service is not for the whole internet."
  }
}

variable "proxy" {
  description = "Networks of the proxy or firewall that lets api.hyperliquid.xyz pass; empty: coins are given by number."
  type        = list(string)
  default     = []
}

variable "admin_role" {
  description = "ARN of the role that administers the root key: the one that runs this."
  type        = string
}

variable "break_glass_role" {
  description = "ARN of the role for emergencies, which takes two people."
  type        = string
}

variable "prefix" {
  description = "SECRETS_PREFIX."
  type        = string
  default     = "hyperliquid/wallets/"
}

variable "network" {
  description = "HYPERKMS_NETWORK."
  type        = string
  default     = "mainnet"
  validation {
    condition     = contains(["mainnet", "testnet"], var.network)
    error_message = "mainnet or testnet."
  }
}

variable "key_lease" {
  description = "HYPERKMS_KEY_LEASE: seconds up to 3600, or strict."
  type        = string
  default     = "300"
}

variable "image" {
  description = "The container image, by its digest."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "An image is named by its digest (@sha256:...): a tag may move."
  }
}

variable "host_image" {
  description = "The id of the ECS-optimised AMI of the host (Amazon Linux 2023)."
  type        = string
}

variable "host_type" {
  description = "The type of the host."
  type        = string
  default     = "c7i.large"
}

variable "host_address" {
  description = "The private address of the host in the first subnet; the data volume is in its zone."
  type        = string
}

variable "trail_bucket" {
  description = "The bucket of another account, with Object Lock, that takes the trail."
  type        = string
}

variable "topics" {
  description = "ARNs of the SNS topics of alarms: the one that wakes somebody, and the other."
  type = object({
    urgent   = string
    ordinary = string
  })
}

variable "log_days" {
  description = "For how many days the log groups keep their lines."
  type        = number
  default     = 400
}

variable "kms_native" {
  description = "Whether wallets may have keys that KMS makes and keeps (custody kms-native)."
  type        = bool
  default     = false
}
