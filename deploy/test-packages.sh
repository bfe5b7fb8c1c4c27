#!/bin/sh
# Installs the system packages that some tests need, when this is Debian or Ubuntu and we are root; else does nothing,
# and those tests are skipped with a line that names the package.
set -eu
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0

missing=
for package in chromium dovecot-imapd mariadb-server munge openssh-server openssl postfix request-tracker5 shellcheck slurm-wlm slurm-wlm-basic-plugins slurmdbd; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing for the tests:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || true
# One by one: a package that this release does not have must not keep the others away. No service is started.
printf '#!/bin/sh\nexit 101\n' >/tmp/minerva-policy-rc.d && chmod +x /tmp/minerva-policy-rc.d
[ -e /usr/sbin/policy-rc.d ] || { cp /tmp/minerva-policy-rc.d /usr/sbin/policy-rc.d; added=1; }
for package in $missing; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 || echo "could not install $package" >&2
done
[ -z "${added:-}" ] || rm -f /usr/sbin/policy-rc.d
rm -f /tmp/minerva-policy-rc.d
