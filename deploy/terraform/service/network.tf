# Nothing here leads to the internet. Who may come in: bots to the load balancer, the load balancer to the service.
locals {
  port = 3000
  # Of these the service itself calls the first two, under policies that name its role and its key.
  custody = {
    kms            = var.kms_native ? "endpoint-kms-native.json" : "endpoint-kms.json"
    secretsmanager = "endpoint-secretsmanager.json"
  }
  container = toset(["logs", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry"])
}

resource "aws_security_group" "balancer" {
  name        = "hyperkms-balancer"
  description = "Bots to the load balancer"
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_ingress_rule" "bots" {
  for_each          = toset(var.bots)
  security_group_id = aws_security_group.balancer.id
  description       = "A network of bots"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the service"
  referenced_security_group_id = aws_security_group.service.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_security_group" "service" {
  name        = "hyperkms"
  description = "The service"
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_ingress_rule" "service" {
  security_group_id            = aws_security_group.service.id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  security_group_id            = aws_security_group.service.id
  description                  = "To the endpoints"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "layers" {
  security_group_id = aws_security_group.service.id
  description       = "To S3, for the layers of the image"
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "exchange" {
  for_each          = toset(var.proxy)
  security_group_id = aws_security_group.service.id
  description       = "To the proxy that lets api.hyperliquid.xyz pass"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_security_group" "endpoints" {
  name        = "hyperkms-endpoints"
  description = "The service to the endpoints of AWS"
  vpc_id      = var.vpc.id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "The service and its host"
  referenced_security_group_id = aws_security_group.service.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_endpoint" "custody" {
  for_each            = local.custody
  vpc_id              = var.vpc.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = var.vpc.subnets
  security_group_ids  = [aws_security_group.endpoints.id]
  policy              = templatefile("${local.policies}/${each.value}", local.names)
}

resource "aws_vpc_endpoint" "container" {
  for_each            = local.container
  vpc_id              = var.vpc.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = var.vpc.subnets
  security_group_ids  = [aws_security_group.endpoints.id]
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = var.vpc.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.vpc.route_tables
}

# TCP: the service speaks TLS itself, and nothing in between reads an API key.
resource "aws_lb" "service" {
  name                       = "hyperkms"
  internal                   = true
  load_balancer_type         = "network"
  subnets                    = var.vpc.subnets
  security_groups            = [aws_security_group.balancer.id]
  enable_deletion_protection = true
}

resource "aws_lb_target_group" "service" {
  name                 = "hyperkms"
  vpc_id               = var.vpc.id
  target_type          = "ip"
  protocol             = "TCP"
  port                 = local.port
  preserve_client_ip   = "true"
  deregistration_delay = 30

  health_check {
    protocol            = "HTTPS"
    path                = "/ready"
    matcher             = "200"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "service" {
  load_balancer_arn = aws_lb.service.arn
  protocol          = "TCP"
  port              = 443

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.service.arn
  }
}
