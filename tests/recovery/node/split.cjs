// Splits Ed25519 keys as the first system did, with the library that it used.
//
// Standard input: a JSON list of {"seed": 64 hex digits, "threshold": t, "members": n, "newIds": [ids], "zero": [places]}.
// "newIds" are shares that are made afterwards (secrets.newShare); "zero", in the last ones, names the coefficients, from 1,
// that are 0 in every byte, which the library itself never draws. Standard output: the list with "publicKey" and "shares".
const crypto = require("node:crypto")
const secrets = require("secrets.js-grempe")

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex")

function publicKey(seed) {
    const key = crypto.createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.from(seed, "hex")]), format: "der", type: "pkcs8" })
    return crypto.createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32).toString("hex")
}

// The library asks for one coefficient after another; those whose place is in `zero` are 0.
let zero = []
let degree = 1
let asked = 0

function draw(bits) {
    if (zero.includes((asked++ % degree) + 1)) return "0".repeat(bits)
    return Array.from({ length: bits }, () => crypto.randomInt(2)).join("")
}

function split(wanted) {
    const { seed, threshold, members, newIds = [] } = wanted
    const key = publicKey(seed)
    ;[zero, degree, asked] = [wanted.zero ?? [], threshold - 1, 0]
    const shares = secrets.share(seed + key, members, threshold)
    for (const id of newIds) shares.push(secrets.newShare(id, shares.slice(0, threshold)))
    return { ...wanted, publicKey: key, shares }
}

function useDraw() {
    // It is tried before it is taken, and must not give 0 then.
    for (;;) {
        try {
            return secrets.setRNG(draw)
        } catch {
            continue
        }
    }
}

const splits = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
const own = splits.filter((wanted) => !wanted.zero).map(split)
useDraw()
const steered = splits.filter((wanted) => wanted.zero).map(split)
process.stdout.write(JSON.stringify([...own, ...steered], null, 1) + "\n")
