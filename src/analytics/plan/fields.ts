import { unprocessable } from "../../lib/errors.ts";
import { isExactNumber } from "../../lib/exact-number.ts";
import { type Field, type Filter, groupText, isNumeric } from "../catalog/dimensions.ts";
import type { GroupColumn } from "./plan-types.ts";

export function groupColumnOf(name: string, field: Field): GroupColumn {
  if (field.kind === "number")
    throw unprocessable(
      "group_by",
      "not_groupable",
      `"${name}" is a number; group by a dimension.`,
    );
  const { kind } = field;
  if (kind !== "clock") return { name, kind, of: (alias) => groupText(field, alias) };
  return { name, kind, of: field.name === "hour_of_day" ? "hours" : "days" };
}

/** @throws AppError unprocessable when the operand does not fit the field or the operator */
export function checkOperand(filter: Filter, field: Field, path: string): void {
  if (filter.op === "search") return;
  const list = filter.op === "in" || filter.op === "not_in";
  const operands = [filter.value].flat();
  if (Array.isArray(filter.value) !== list)
    throw unprocessable(
      path,
      "wrong_operand",
      `${filter.op} takes ${list ? "a list" : "one value"}.`,
    );
  if (filter.op === "contains" && typeof filter.value !== "string")
    throw unprocessable(path, "wrong_operand", "contains takes a text.");
  if (filter.op === "exists" && typeof filter.value !== "boolean")
    throw unprocessable(path, "wrong_operand", "exists takes true or false.");
  const numeric = field.kind === "number" || field.kind === "clock";
  const isNumber = (operand: unknown) =>
    !isExactNumber(operand) && /^-?\d{1,15}(\.\d{1,6})?$/.test(String(operand));
  if (numeric && filter.op !== "exists" && !operands.every(isNumber))
    throw unprocessable(path, "wrong_operand", `${filter.field} is a number.`);
  if (numeric && filter.op === "contains")
    throw unprocessable(path, "wrong_operand", "contains takes a text field.");
  const types = new Set(operands.map((operand) => isNumeric(operand)));
  if (field.kind === "metadata" && types.size > 1)
    throw unprocessable(path, "wrong_operand", "All values of the list must be numbers, or none.");
}
