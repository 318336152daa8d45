/** Whether something is possible: `true`, or a sentence that says why not (shown on the page as it is). */
export type Support = true | string
