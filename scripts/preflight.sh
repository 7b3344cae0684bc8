#!/bin/sh
# Finds what the build needs and records it in .stamps/tools, or says what is missing, one line for each
# thing with the command that installs it, and exits 1. Needs nothing but a POSIX sh, sed, mkdir and mv.
#
# Reads $PYTHON (an interpreter to prefer; one that does not serve is passed over, and the answer says so).
# .stamps/tools is made of sh assignments: PYTHON, PYTHON_VERSION, CARGO, COMPILER, and WANTED, the $PYTHON
# it was chosen under, by which the Makefile sees that another one is asked for.
set -eu

cd "${0%/*}/.."

wanted=${PYTHON:-}
missing=0
python='' python_version='' without_venv='' cargo='' cargo_version='' other_cargo='' compiler='' passed_over=''

# Answers in three words and a path. The base interpreter is named, and not that of an active virtual
# environment: that may be the .venv which is about to be made anew. A shim is named by what it runs.
probe='
import sys
modules = "complete"
try:
    import ensurepip
    import venv
except ImportError:
    modules = "partial"
in_venv = sys.prefix != getattr(sys, "base_prefix", sys.prefix)
path = getattr(sys, "_base_executable", sys.executable) if in_venv else sys.executable
age = "recent" if sys.version_info >= (3, 11) else "old"
print("%s %d.%d.%d %s %s" % ((age,) + tuple(sys.version_info[:3]) + (modules, path)))
'

main() {
    find_python
    find_cargo
    find_compiler
    test "$missing" = 0 || exit 1
    record
    echo "preflight: Python $python_version ($python), cargo $cargo_version ($cargo), C compiler $compiler$passed_over"
}

find_python() {
    for name in "$wanted" python3.13 python3.12 python3.11 python3; do
        if test -n "$name" && try_python "$name"; then
            return
        fi
        if test -n "$name" && test "$name" = "$wanted"; then
            passed_over="; PYTHON=$wanted does not serve and was passed over"
        fi
    done
    if test -n "$without_venv"; then
        lacks "the modules venv and ensurepip of Python $without_venv" \
            "sudo apt-get install python$without_venv-venv" "sudo dnf install python3" "brew install python@3.13"
    else
        lacks "Python 3.11 or later" \
            "sudo apt-get install python3 python3-venv" "sudo dnf install python3" "brew install python@3.13"
    fi
}

# Runs it, since a version manager's shim may exist for a version that does not.
try_python() {
    answer=$("$1" -I -c "$probe" </dev/null 2>/dev/null) || return 1
    case $answer in
    "recent "*" complete /"*)
        python=${answer#* * * }
        answer=${answer#recent }
        python_version=${answer%% *}
        ;;
    "recent "*" partial "*)
        answer=${answer#recent 3.}
        test -n "$without_venv" || without_venv=3.${answer%%.*}
        return 1
        ;;
    *) return 1 ;;
    esac
}

find_cargo() {
    needed=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)
    for path in "$(command -v cargo || :)" "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo"; do
        if test -x "$path" && try_cargo "$path"; then
            return
        fi
    done
    lacks "cargo $needed or later$other_cargo" \
        "sudo apt-get install rustup && rustup default stable (before Debian 13: the installer from rustup.rs)" \
        "sudo dnf install cargo clippy rustfmt" "brew install rust"
}

try_cargo() {
    if ! answer=$("$1" --version </dev/null 2>/dev/null); then
        other_cargo=${other_cargo:-" ($1 does not run; with rustup: rustup default stable)"}
        return 1
    fi
    answer=${answer#cargo }
    answer=${answer%% *}
    if ! is_at_least "$answer" "$needed"; then
        other_cargo=${other_cargo:-" ($1 is $answer; with rustup: rustup update stable)"}
        return 1
    fi
    cargo=$1 cargo_version=$answer
}

# is_at_least 1.95.0-nightly 1.88
is_at_least() {
    have_minor=${1#*.} need_minor=${2#*.}
    test "${1%%.*}" -gt "${2%%.*}" 2>/dev/null && return
    test "${1%%.*}" -eq "${2%%.*}" 2>/dev/null && test "${have_minor%%.*}" -ge "${need_minor%%.*}" 2>/dev/null
}

# Reads a header, since a compiler may be there without the C library's headers, and macOS has a cc that
# only offers to install one.
find_compiler() {
    for name in cc gcc clang; do
        if printf '#include <stdlib.h>\n' | "$name" -x c -E - >/dev/null 2>&1; then
            compiler=$(command -v "$name")
            return
        fi
    done
    lacks "a C compiler with the C library's headers" \
        "sudo apt-get install gcc libc6-dev" "sudo dnf install gcc" "xcode-select --install"
}

lacks() {
    missing=1
    echo "preflight: missing: $1 | Debian: $2 | Fedora: $3 | macOS: $4" >&2
}

record() {
    mkdir -p .stamps
    {
        assign PYTHON "$python"
        assign PYTHON_VERSION "$python_version"
        assign CARGO "$cargo"
        assign COMPILER "$compiler"
        assign WANTED "$wanted"
        # rustc links with cc, and build scripts compile with it, unless told otherwise.
        if test "${compiler##*/}" != cc; then
            echo 'export CC="${CC:-$COMPILER}"'
            echo 'export RUSTFLAGS="${RUSTFLAGS:-} -C linker=$COMPILER"'
        fi
    } >.stamps/tools.new
    mv .stamps/tools.new .stamps/tools
}

# In single quotes, so that a path with a space or a dollar sign stays one word.
assign() {
    printf "%s='%s'\n" "$1" "$(printf '%s' "$2" | sed "s/'/'\\\\''/g")"
}

main
