import type { PlanIssue } from '../../../pipeline/plan.ts'

/** One thing to know before a run, and the recipes it is true of; none when it is about the run. */
export interface IssueGroup {
  readonly issue: PlanIssue
  readonly recipeIds: readonly string[]
}

/** The same said of several recipes once, in the order of the first; the editor of each has its details. */
export function groupIssues(issues: readonly PlanIssue[]): readonly IssueGroup[] {
  const groups = new Map<string, { readonly issue: PlanIssue; readonly recipeIds: string[] }>()
  for (const issue of issues) {
    const key = issue.recipeId === null ? `${issue.title}\n${issue.text}` : `${issue.severity}\n${issue.title}\n${issue.remedy}`
    const group = groups.get(key) ?? { issue, recipeIds: [] }
    groups.set(key, group)
    if (issue.recipeId !== null && !group.recipeIds.includes(issue.recipeId)) group.recipeIds.push(issue.recipeId)
  }
  return [...groups.values()]
}
