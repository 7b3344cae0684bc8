resource "aws_ecs_cluster" "service" {
  name = "hyperkms"

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "service" {
  family                   = "hyperkms"
  requires_compatibilities = ["EC2"]
  network_mode             = "awsvpc"
  task_role_arn            = aws_iam_role.service.arn
  execution_role_arn       = aws_iam_role.pull.arn

  volume {
    name      = "data"
    host_path = "/var/lib/hyperkms"
  }

  volume {
    name      = "tls"
    host_path = "/etc/hyperkms/tls"
  }

  container_definitions = jsonencode([{
    name  = "hyperkms"
    image = var.image
    command = [
      "serve", "--host", "0.0.0.0",
      "--tls-cert", "/tls/fullchain.pem", "--tls-key", "/tls/privkey.pem",
    ]
    user                   = "10001:10001"
    memory                 = 2048
    readonlyRootFilesystem = true
    stopTimeout            = 60
    ulimits = [
      { name = "memlock", softLimit = 1048576, hardLimit = 1048576 },
      { name = "core", softLimit = 0, hardLimit = 0 },
      { name = "nofile", softLimit = 65536, hardLimit = 65536 },
    ]
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }
    environment = [
      for name, value in {
        HYPERKMS_ENV       = "production"
        HYPERKMS_NETWORK   = var.network
        HYPERKMS_ROOT_KEY  = "aws-kms:${aws_kms_key.root.arn}"
        HYPERKMS_KEY_STORE = "aws-secrets-manager:"
        HYPERKMS_KEY_LEASE = var.key_lease
        SECRETS_PREFIX     = var.prefix
        AWS_REGION         = var.region
      } : { name = name, value = value }
    ]
    portMappings = [{ containerPort = local.port }]
    mountPoints = [
      { sourceVolume = "data", containerPath = "/data" },
      { sourceVolume = "tls", containerPath = "/tls", readOnly = true },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.service.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "serve"
        mode                  = "non-blocking"
        max-buffer-size       = "25m"
      }
    }
  }])
}

# The old task ends before the new one begins: a data directory serves one at a time.
resource "aws_ecs_service" "service" {
  name                               = "hyperkms"
  cluster                            = aws_ecs_cluster.service.id
  task_definition                    = aws_ecs_task_definition.service.arn
  launch_type                        = "EC2"
  desired_count                      = 1
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  enable_execute_command             = false

  network_configuration {
    subnets         = [var.vpc.subnets[0]]
    security_groups = [aws_security_group.service.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.service.arn
    container_name   = "hyperkms"
    container_port   = local.port
  }

  depends_on = [aws_lb_listener.service, aws_kms_key_policy.root, aws_iam_role_policy.service]
}
