/** The exchange, or the sandbox that stands in for it. */

import axios from "axios";
import { Failure } from "./failure.js";
import type { SignedOrder } from "./kms.js";

type Status = { resting: { oid: number } } | { filled: { oid: number; totalSz: string; avgPx: string } } | { error: string };

type Answer =
  | { status: "ok"; response: { type: string; data?: { statuses: Status[] } } }
  | { status: "err"; response: string };

export interface Outcome {
  accepted: boolean;
  words: string;
}

/** Post a signed order as the service returned it: its action, its nonce, its end if it has one, its signature. */
export async function post(exchangeUrl: string, signed: SignedOrder): Promise<Outcome> {
  const { action, nonce, expiresAfter = null } = signed;
  const body = { action, nonce, signature: split(signed.signature), vaultAddress: null, expiresAfter };
  let answer: Answer;
  try {
    const options = { timeout: 10_000, proxy: false } as const;
    answer = (await axios.post<Answer>(`${exchangeUrl}/exchange`, body, options)).data;
  } catch (error) {
    throw new Failure(`the exchange cannot be reached: ${axios.isAxiosError(error) ? error.message : "unknown"}`);
  }
  return outcome(answer);
}

function outcome(answer: Answer): Outcome {
  if (answer.status === "err") return { accepted: false, words: answer.response };
  const status = answer.response.data?.statuses[0];
  if (status === undefined) throw new Failure("the exchange answered an order in a form that is not known");
  if ("resting" in status) return { accepted: true, words: `resting, oid ${status.resting.oid}` };
  if ("filled" in status) return { accepted: true, words: `filled ${status.filled.totalSz} at ${status.filled.avgPx}` };
  return { accepted: false, words: status.error };
}

function split(signature: string): { r: string; s: string; v: number } {
  const digits = signature.slice(2);
  return { r: `0x${digits.slice(0, 64)}`, s: `0x${digits.slice(64, 128)}`, v: parseInt(digits.slice(128), 16) };
}
