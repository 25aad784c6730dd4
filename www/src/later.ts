/**
 * Parts of the page's code that are loaded when they are first wanted. A page that has been published anew meanwhile has no place for the
 * parts of the old one: then a reload is offered.
 */
import { element } from "./element";

const notice = element("renewed");
element("reload").addEventListener("click", () => location.reload());

/** What `load` loads, with all that it loads itself; undefined, and the visitor is told, where that is not there. */
export async function loaded<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    console.warn(`a part of the page is missing: ${String(error)}`);
    notice.hidden = false;
    return undefined;
  }
}
