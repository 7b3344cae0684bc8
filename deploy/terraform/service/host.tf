# One host for one task. The data volume outlives both.
resource "aws_ebs_volume" "data" {
  availability_zone = var.vpc.zone
  type              = "gp3"
  size              = 50
  encrypted         = true

  tags = { Name = "hyperkms-data" }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_volume_attachment" "data" {
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data.id
  instance_id                    = aws_instance.host.id
  stop_instance_before_detaching = true
}

resource "aws_instance" "host" {
  ami                    = var.host_image
  instance_type          = var.host_type
  subnet_id              = var.vpc.subnets[0]
  private_ip             = var.host_address
  iam_instance_profile   = aws_iam_instance_profile.host.name
  vpc_security_group_ids = [aws_security_group.service.id]
  user_data = templatefile("${path.module}/host.sh", {
    cluster = aws_ecs_cluster.service.name
    volume  = replace(aws_ebs_volume.data.id, "-", "")
  })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted = true
  }

  tags = { Name = "hyperkms" }
}
