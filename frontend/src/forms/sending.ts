// Post forms and upload files with XMLHttpRequest: fetch reports no upload progress.

import { t } from "../i18n";

/** The outcome of a request. */
export interface SubmitResult {
  status: number; // HTTP status; 0: no answer
  detail: string; // the error message to show
}

/** Posts form fields. */
export interface PostForm {
  (url: string, fields: Record<string, string | string[]>): Promise<SubmitResult>;
}

/** Uploads one file. The result's id is empty if it was refused. */
export interface UploadFile {
  (
    url: string,
    file: File,
    onProgress: (bytes: number) => void,
  ): Promise<SubmitResult & { id: string }>;
}

interface ResponseBody {
  id?: string;
  detail?: string;
}

/** Upload one file; the result's id is empty if it was refused. Reports the bytes sent. */
export async function uploadFile(
  url: string,
  file: File,
  onProgress: (bytes: number) => void,
): Promise<SubmitResult & { id: string }> {
  const body = new FormData();
  body.append("file", file);
  const result = await postBody(url, body, onProgress);
  return { ...result, id: result.status === 201 ? result.id : "" };
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
): AsyncGenerator<SubmitResult & { id: string; file: File }> {
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

/** Post a body; return the status, and detail and id of the response. Never rejects. */
export function postBody(
  url: string,
  body: FormData | URLSearchParams,
  onProgress: (bytes: number) => void,
): Promise<SubmitResult & { id: string }> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () => {
      const { id = "", detail = "" } = parseResponse(request);
      resolve({ status: request.status, detail, id });
    };
    const unreachable = { status: 0, detail: t("The server can’t be reached."), id: "" };
    request.onerror = request.onabort = () => resolve(unreachable);
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
