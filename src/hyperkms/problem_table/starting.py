"""What stops a command, `hyperkms serve` included, before it has begun."""

from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

STARTING = Situation(
    title="Starting, and the command line",
    words="The command prints one line with the code in brackets and ends with exit status 1.",
    shown_by="hyperkms config; hyperkms doctor --data DIR",
    over_http=False,
    problems=(
        Problem(
            code="malformed-setting",
            family=Malformed,
            title="A setting has a value that is none",
            cause="A setting, or a line of the .env file, is not of the form in docs/settings.md.",
            next_step="Correct the setting that the line names. An empty value counts as unset.",
        ),
        Problem(
            code="api-key-placeholder",
            family=Refused,
            title="API_KEY is still a placeholder",
            cause="API_KEY has the value of an example file, which everybody knows.",
            next_step="Put the output of `openssl rand -hex 32` there, or take the line out.",
        ),
        Problem(
            code="api-key-short",
            family=Refused,
            title="API_KEY is too easy to guess",
            cause="In production API_KEY has at least 16 characters and at least 8 different ones.",
            next_step="Put the output of `openssl rand -hex 32` there.",
        ),
        Problem(
            code="replay-in-production",
            family=Refused,
            title="Vector replay is for development",
            cause="HYPERKMS_REPLAY_VECTORS=1 lifts checks that protect funds.",
            next_step="Unset it.",
        ),
        Problem(
            code="any-network-in-production",
            family=Refused,
            title="A wallet for both networks is for development",
            cause="HYPERKMS_NETWORK=any would make wallets that sign for both networks.",
            next_step="Set mainnet or testnet, or unset it and let each call say.",
        ),
        Problem(
            code="exchange-without-tls",
            family=Refused,
            title="The exchange's address is not TLS",
            cause="The setting names an http address on another machine. Who is on the way could rename coins.",
            next_step="Use https, or http to this machine only.",
        ),
        Problem(
            code="bind-without-tls",
            family=Refused,
            title="API keys would travel in the clear",
            cause="The service was told to listen on an address that other machines reach, without TLS.",
            next_step=(
                "Listen on 127.0.0.1; or give --tls-cert and --tls-key; or put a proxy that speaks TLS in front "
                "and give --behind-tls-proxy."
            ),
        ),
        Problem(
            code="malformed-tls",
            family=Malformed,
            title="Certificate and key do not fit",
            cause="A file is not PEM, the key is encrypted, or it is the key of another certificate.",
            next_step="Give the full chain as --tls-cert and its unencrypted key, mode 0600, as --tls-key.",
            shown_by="openssl x509 -in CERT -noout -pubkey; openssl pkey -in KEY -pubout",
        ),
        Problem(
            code="memory-unprotected",
            family=Unavailable,
            title="Memory for keys cannot be protected",
            cause=(
                "The limit for locked memory is too low, memfd_secret was asked for and the kernel or a seccomp "
                "profile refuses it, or the process could not be kept from being dumped. Production starts with "
                "none of these."
            ),
            next_step="Raise the limit to 1 MiB (ulimit -l 1024, LimitMEMLOCK=1M); docs/deploy.md says where.",
            shown_by="ulimit -l; hyperkms doctor",
        ),
        Problem(
            code="address-unavailable",
            family=Unavailable,
            title="The address cannot be listened on",
            cause=(
                "Another program listens there, the port is below 1024, or the address is none of this machine's; at a "
                "Unix socket's path another service listens, or there is a file that is no socket."
            ),
            next_step="Stop the other program or choose another place with --port or --uds.",
            shown_by="ss -ltnp",
        ),
        Problem(
            code="no-data-directory",
            family=NotFound,
            title="There is no data directory there",
            cause="The command needs one that exists and the named folder has no database.",
            next_step="Name yours with --data or HYPERKMS_DATA; `hyperkms serve` and `wallet generate` make one.",
        ),
        Problem(
            code="data-directory-unavailable",
            family=Unavailable,
            title="The data directory cannot be made",
            cause="The folder above does not allow it, or the disk is full or read-only.",
            next_step="Make it yourself, mode 0700, owned by the user that runs the service.",
            shown_by="ls -ld DIR",
        ),
        Problem(
            code="data-directory-not-writable",
            family=Unavailable,
            title="The data directory cannot be written to",
            cause="It is on a read-only file system, or belongs to another user. Commands that only look write too.",
            next_step=(
                "Mount it for writing (a volume without `:ro`; `ReadWritePaths=` in a systemd unit; after a disk error "
                "look at the disk first), or run as the user that owns it."
            ),
            shown_by="findmnt -T DIR; ls -ld DIR",
        ),
        Problem(
            code="data-directory-permissions",
            family=Refused,
            title="The data directory is open to other users",
            cause="Other users of the machine may enter it.",
            next_step="chmod 700 DIR, and look who read it meanwhile.",
            shown_by="ls -ld DIR",
        ),
        Problem(
            code="wrong-mode",
            family=Refused,
            title="The data directory is for the other mode",
            cause="A data directory is made for development or for production and stays that for ever.",
            next_step="Set HYPERKMS_ENV to what `detail` names, or use another directory.",
        ),
        Problem(
            code="schema-too-new",
            family=Refused,
            title="A newer release wrote the database",
            cause="The database has a schema that this release does not know.",
            next_step="Run the newer release again. There is no way back but a backup from before.",
            shown_by="hyperkms --version",
        ),
        Problem(
            code="schema-too-old",
            family=Refused,
            title="The PostgreSQL database is not at this release's schema",
            cause="It is new, or an older release made it. Only `hyperkms migrate` changes the schema there.",
            next_step="Make a backup (pg_dump) if it is not empty, then `hyperkms migrate` with the same settings.",
            shown_by="hyperkms migrate --help",
        ),
        Problem(
            code="wrong-database",
            family=Refused,
            title="The database and the data directory do not belong together",
            cause=(
                "Nonces, amounts of limits and the record are files of one data directory, and go with one database: "
                "HYPERKMS_DATABASE names another one, or none, or the directory is another."
            ),
            next_step=(
                "Set HYPERKMS_DATABASE and HYPERKMS_DATA as they were; for a new start take both empty. Where the "
                "directory is lost for good: `hyperkms recover fence --new-directory` (docs/recovery.md)."
            ),
            shown_by="hyperkms config; ls DIR",
        ),
        Problem(
            code="another-instance",
            family=Refused,
            title="Another instance uses the database",
            cause="A service or command on another machine, or on a copy of the directory, has the lease.",
            next_step=(
                "Stop the one that `detail` names; its lease ends with it, or 15 s after it was killed. Then start "
                "this one again. For two at a time give each a directory of its own and HYPERKMS_INSTANCES=several."
            ),
        ),
        Problem(
            code="wrong-instances",
            family=Refused,
            title="The database is used by several instances, or is not yet",
            cause=(
                "What one instance alone counts is in the files of its directory; what several count is in the "
                "database. The first start with HYPERKMS_INSTANCES=several carries it over, and there is no way back."
            ),
            next_step=(
                "Where `detail` says so, start the directory that had the database alone with "
                "HYPERKMS_INSTANCES=several first; else set that here."
            ),
            shown_by="hyperkms config",
        ),
        Problem(
            code="database-unsuitable",
            family=Refused,
            title="The PostgreSQL database cannot be used",
            cause="Its encoding is not UTF8, or this user has no schema on its search_path.",
            next_step="CREATE DATABASE name OWNER user ENCODING 'UTF8' TEMPLATE template0.",
            shown_by='psql "$DATABASE" -c "SHOW server_encoding" -c "SELECT current_schema()"',
        ),
        Problem(
            code="driver-not-installed",
            family=Unavailable,
            title="The driver of PostgreSQL is not installed",
            cause="HYPERKMS_DATABASE names a PostgreSQL database and the package psycopg is not there.",
            next_step="pip install 'hyperkms[postgres]'.",
        ),
        Problem(
            code="database-without-tls",
            family=Refused,
            title="The way to the database is open",
            cause="In production a database on another machine must prove who it is: others could answer for it.",
            next_step="Add ?sslmode=verify-full&sslrootcert=FILE to HYPERKMS_DATABASE.",
        ),
        Problem(
            code="database-missing",
            family=Tampered,
            title="The database is gone",
            cause="The directory has other files of hyperkms and no database. To begin anew would forget every wallet.",
            next_step="Put the database back from a backup, or name an empty directory.",
            shown_by="ls -l DIR",
        ),
        Problem(
            code="root-key-damaged",
            family=Tampered,
            title="The root key file is damaged",
            cause="A root key file is exactly 32 bytes long and this one is not.",
            next_step="Put the right file back from a backup. Do not edit it: a text editor adds a line end.",
            shown_by="ls -l DIR",
        ),
        Problem(
            code="file-exists",
            family=Conflict,
            title="The file exists already",
            cause="A file was to be made and one of that name stands there; it was left as it is.",
            next_step="Look what it is; move it away if it is not needed.",
            shown_by="ls -l DIR",
        ),
        Problem(
            code="key-file-missing",
            family=Malformed,
            title="There is no such key file",
            cause="The key file that was named, or a folder on its path, does not exist.",
            next_step="Correct the path.",
        ),
        Problem(
            code="key-file-permissions",
            family=Refused,
            title="The key file is open to others",
            cause="A key file (the root key's, TLS's) is readable by other users, is another user's, or is a link.",
            next_step="chmod 600 the file itself and own it. Treat a key that others could read as known to them.",
            shown_by="ls -l KEYFILE",
        ),
        Problem(
            code="key-file-unavailable",
            family=Unavailable,
            title="The key file cannot be read or written",
            cause="The system did not read or write it: no permission, no room, no descriptor left.",
            next_step="Look at the reason that the line ends with.",
            retry=Retry.YES,
            shown_by="ls -l KEYFILE; df -h",
        ),
        Problem(
            code="malformed-key-file",
            family=Malformed,
            title="The key file holds no key",
            cause="It is not exactly 64 hex digits, with or without 0x and a line end.",
            next_step="Write the key in that form. A seed phrase or a JSON key file is no such key.",
        ),
        Problem(
            code="malformed-request-key",
            family=Malformed,
            title="The file holds no request key",
            cause=(
                "A request key signs a client's requests and nothing else; its file begins with "
                "`hyperkms-request-key-v1`. A wallet's key file is none, and the other way round."
            ),
            next_step="Name the file that `hyperkms identity create` made, or make one.",
            shown_by="hyperkms identity show FILE",
        ),
        Problem(
            code="invalid-private-key",
            family=Malformed,
            title="The number is no private key",
            cause="It is 0 or not below the order of secp256k1's group.",
            next_step="Look where the key comes from: it belongs to no address.",
        ),
        Problem(
            code="key-on-command-line",
            family=Malformed,
            title="A key was given instead of a file",
            cause="--key-file names a file, and what was given looks like a key, now in your shell's history.",
            next_step="Write it to a file of mode 0600. Treat a real key that was typed there as known to others.",
        ),
        Problem(
            code="key-from-terminal",
            family=Malformed,
            title="A key is not read from a terminal",
            cause="`--key-file -` reads a pipe, and a terminal would show the key.",
            next_step="Pipe it in from a password manager, or use a file of mode 0600.",
        ),
        Problem(
            code="import-needs-directory",
            family=Refused,
            title="A key is not imported through a service",
            cause=(
                "`wallet import` was told of a service, by --url or HYPERKMS_URL. A key that is imported crosses no "
                "network and no socket."
            ),
            next_step="Run it on the service's machine, as its user, with --data DIR; the service may run meanwhile.",
        ),
        Problem(
            code="not-confirmed",
            family=Refused,
            title="What was to be confirmed was not",
            cause="The question was answered with no, or there was no terminal to ask and no --yes.",
            next_step="Read what it would end, or permit. Say --yes in a script.",
        ),
        Problem(
            code="service-unreachable",
            family=Unavailable,
            title="The service that a command asks did not answer",
            cause="Nothing answered at the address of --url or HYPERKMS_URL within 30 s, or the connection broke.",
            next_step=(
                "Start the service, or correct the address. On the service's own machine `--data DIR` needs no "
                "service. After a broken connection look first whether the change was made."
            ),
            retry=Retry.YES,
            shown_by='curl -i "$HYPERKMS_URL/health"',
        ),
        Problem(
            code="not-hyperkms",
            family=Unavailable,
            title="Something else answered at the service's address",
            cause="The answer was not JSON: another program listens there, or a proxy answered in its place.",
            next_step="Correct --url or HYPERKMS_URL; look at the proxy.",
            shown_by='curl -i "$HYPERKMS_URL/health"',
        ),
        Problem(
            code="service-not-installed",
            family=Unavailable,
            title="The service's packages are missing",
            cause="This installation is a bot's: hyperkms.client, msgspec. The command needs the service's packages.",
            next_step="pip install hyperkms, without --no-deps; in a clone `make setup` makes .venv/bin/hyperkms.",
            shown_by="hyperkms --version",
        ),
        Problem(
            code="sandbox-not-installed",
            family=Unavailable,
            title="The sandbox's packages are missing",
            cause="`hyperkms sandbox` needs packages that the service does not.",
            next_step="pip install 'hyperkms[sandbox]', or `make setup` in a clone.",
            shown_by="hyperkms sandbox",
        ),
    ),
)
