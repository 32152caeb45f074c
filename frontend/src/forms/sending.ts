// Sending in the background. XMLHttpRequest, because fetch does not tell how much has left.

import { t } from "../i18n";

export interface SubmitResult {
  status: number; // 0: nothing answered
  detail: string; // why it was refused, for people
}

export interface PostForm {
  (url: string, fields: Record<string, string | string[]>): Promise<SubmitResult>;
}

/** Uploads one file; its id, or why it was refused. Tells how many bytes have left. */
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

/** Uploads one file; its id, or why it was refused. `tell` hears how many bytes have left. */
export async function uploadFile(
  url: string,
  file: File,
  onProgress: (bytes: number) => void,
): Promise<SubmitResult & { id: string }> {
  const body = new FormData();
  body.append("file", file);
  const answer = await postBody(url, body, onProgress);
  return { ...answer, id: answer.status === 201 ? answer.id : "" };
}

/** Uploads files one after another, so that they keep their order, and ends with the first that is
 * refused; `tell` hears how much of all of them has left, from 0 to 1. */
export async function* uploadFiles(
  uploadFile: UploadFile,
  url: string,
  files: readonly File[],
  onProgress: (share: number) => void,
): AsyncGenerator<SubmitResult & { id: string; file: File }> {
  const whole = files.reduce((sum, { size }) => sum + size, 0) || 1; // bytes
  let before = 0; // bytes
  for (const file of files) {
    const show = (bytes: number): void => onProgress((before + Math.min(bytes, file.size)) / whole);
    show(0);
    const answer = await uploadFile(url, file, show);
    yield { ...answer, file };
    if (answer.id === "") return;
    before += file.size;
  }
}

/** Posts a body; what became of it, and the id the answer names. */
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
    const unreached = { status: 0, detail: t("The desk cannot be reached."), id: "" };
    request.onerror = request.onabort = () => resolve(unreached);
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
