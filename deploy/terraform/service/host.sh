#!/bin/sh
# The first boot of the host: the data volume, and the settings of the agent of ECS.
set -eu

device=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${volume}
until [ -e "$device" ]; do sleep 1; done
# A volume that has a file system keeps it: it may hold the record and the nonces.
blkid "$device" >/dev/null || mkfs.xfs "$device"
mkdir -p /var/lib/hyperkms /etc/hyperkms/tls
echo "$device /var/lib/hyperkms xfs defaults,nodev,nosuid,noexec 0 2" >>/etc/fstab
mount /var/lib/hyperkms
chown 10001:10001 /var/lib/hyperkms
chmod 0700 /var/lib/hyperkms

# fullchain.pem and privkey.pem (10001, mode 0600) are put into /etc/hyperkms/tls by whoever renews the certificate.
chown 10001:10001 /etc/hyperkms/tls
chmod 0700 /etc/hyperkms/tls

cat >>/etc/ecs/ecs.config <<'SETTINGS'
ECS_CLUSTER=${cluster}
ECS_AWSVPC_BLOCK_IMDS=true
ECS_DISABLE_PRIVILEGED=true
SETTINGS
