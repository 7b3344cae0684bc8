output "root_key" {
  description = "ARN of the root key."
  value       = aws_kms_key.root.arn
}

output "key_id" {
  description = "Its id, for the policy over the account (../guard)."
  value       = aws_kms_key.root.key_id
}

output "service_role" {
  description = "ARN of the role of the service."
  value       = aws_iam_role.service.arn
}

output "address" {
  description = "The name under which bots reach the load balancer; the certificate of the service must be for the name that they use."
  value       = aws_lb.service.dns_name
}
