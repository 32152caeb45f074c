// Post forms and upload files with XMLHttpRequest: fetch reports no upload progress.

import { t } from "../i18n";

/** The outcome of a request. */
export interface SubmitResult {
  status: number; // HTTP status; 0: no answer
  detail: string; // the error message to show
  id: string; // of what was saved; empty if the answer names none
  href: string; // path of what was saved, or empty
}

/** Posts form fields. */
export interface PostForm {
  (url: string, fields: readonly (readonly [string, string])[]): Promise<SubmitResult>;
}

/** Uploads one file. The result's id is empty if it was refused. */
export interface UploadFile {
  (url: string, file: File, onProgress: (bytes: number) => void): Promise<SubmitResult>;
}

interface ResponseBody {
  id?: string;
  href?: string;
  detail?: string;
}

const SEE_OTHER = 303; // HTTP status: the server leads to another page instead of answering
const POST_TIMEOUT = 30_000; // ms; a form is small, and an answer that takes longer is lost

/** Upload one file; the result's id is empty if it was refused. Reports the bytes sent. */
export async function uploadFile(
  url: string,
  file: File,
  onProgress: (bytes: number) => void,
): Promise<SubmitResult> {
  const body = new FormData();
  body.append("file", file);
  const result = await postBody(url, body, onProgress, 0);
  return { ...result, id: result.status === 201 ? result.id : "" };
}

/** Post form fields, and give up after a while. */
export async function postFields(
  url: string,
  fields: readonly (readonly [string, string])[],
): Promise<SubmitResult> {
  const body = new URLSearchParams(fields.map(([name, value]) => [name, value]));
  return await postBody(url, body, () => {}, POST_TIMEOUT);
}

/** Upload files one after another, in order, and stop after the first refused one.
 *
 * Yields the result of each file; reports the share of all bytes sent, from 0 to 1.
 */
export async function* uploadFiles(
  uploadFile: UploadFile,
  url: string,
  files: readonly File[],
  onProgress: (share: number) => void,
): AsyncGenerator<SubmitResult & { file: File }> {
  const total = files.reduce((sum, { size }) => sum + size, 0) || 1; // bytes
  let done = 0; // bytes
  for (const file of files) {
    // The request's body is larger than the file.
    const report = (sent: number): void => onProgress((done + Math.min(sent, file.size)) / total);
    report(0);
    const result = await uploadFile(url, file, report);
    yield { ...result, file };
    if (result.id === "") return;
    done += file.size;
  }
}

/** Post a body; `timeout` in ms, 0 for none. Never rejects. */
function postBody(
  url: string,
  body: FormData | URLSearchParams,
  onProgress: (bytes: number) => void,
  timeout: number,
): Promise<SubmitResult> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.timeout = timeout;
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () => {
      const { id = "", href = "", detail = "" } = parseResponse(request);
      const isRedirected = new URL(url, location.href).href !== request.responseURL;
      resolve({ status: isRedirected ? SEE_OTHER : request.status, detail, id, href });
    };
    const unreachable = { status: 0, detail: t("The server can’t be reached."), id: "", href: "" };
    request.onerror = request.onabort = request.ontimeout = () => resolve(unreachable);
    request.send(body);
  });
}

function parseResponse(request: XMLHttpRequest): ResponseBody {
  if (!request.getResponseHeader("content-type")?.includes("json")) return {};
  try {
    return JSON.parse(request.responseText) as ResponseBody;
  } catch {
    return {};
  }
}
