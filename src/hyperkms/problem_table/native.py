"""Wallets whose keys AWS KMS made and keeps."""

from hyperkms.errors import Malformed, Refused, Tampered
from hyperkms.problem_table.entry import Problem, Situation

NATIVE = Situation(
    title="Wallets whose keys are in AWS KMS",
    words=(
        "Only for wallets of custody `kms-native`: AWS KMS made their keys, and is asked for each signature. What it "
        "answers is verified before it counts as one."
    ),
    shown_by='curl -s "$URL/wallets/$ID" -H "X-API-Key: $KEY"; hyperkms doctor --aws --kms-native --data DIR',
    problems=(
        Problem(
            code="kms-native-off",
            family=Refused,
            title="This service has no keys in AWS KMS",
            cause="A kms-native wallet is asked for, or is to sign, and the root key here is not in AWS KMS.",
            next_step="Set HYPERKMS_ROOT_KEY=aws-kms:KEY; or make a wallet of standard custody.",
        ),
        Problem(
            code="kms-native-not-imported",
            family=Refused,
            title="A key that exists is not imported into AWS KMS",
            cause="AWS KMS makes the key of a kms-native wallet itself, so that it never was anywhere else.",
            next_step="Import it with standard custody, or make a new kms-native wallet and move the account to it.",
        ),
        Problem(
            code="no-copy-of-kms-native",
            family=Refused,
            title="There is no second copy of a key in AWS KMS",
            cause="A master key with a second copy is asked for, and no key that AWS KMS keeps can be copied.",
            next_step="Leave one of the two out: standard custody with a second copy, or AWS KMS without one.",
        ),
        Problem(
            code="message-too-long-for-kms",
            family=Malformed,
            title="The message is longer than AWS KMS signs",
            cause="An Ed25519 key in AWS KMS signs the message itself, which has at most 4096 bytes there.",
            next_step="Sign something shorter, such as a hash of it, or use a wallet of standard custody.",
        ),
        Problem(
            code="kms-signature-wrong",
            family=Tampered,
            title="AWS KMS answered with what is no signature by the wallet's key",
            cause=(
                "What came back is not one signature in the one form it may have, or does not verify under the public "
                "key of the wallet: something else answers, or the record names another key. It was thrown away."
            ),
            next_step=(
                "Compare `kmsKey` and `publicKey` of /wallets/:id/versions with the key in AWS KMS (GetPublicKey), and "
                "look at AWS_ENDPOINT_URL and at the proxies on the way."
            ),
        ),
        Problem(
            code="kms-public-key-wrong",
            family=Tampered,
            title="AWS KMS answered with another kind of public key",
            cause="The key that was just made is not of the type that was asked for, or something else answers.",
            next_step="Look at AWS_ENDPOINT_URL and at the proxies on the way. No wallet was made.",
        ),
    ),
)
