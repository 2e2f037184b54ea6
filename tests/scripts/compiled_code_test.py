#!/usr/bin/env python3
"""scripts/sass.py and the measures of scripts/compiled_code.py on machine code that is made up here: loops, barriers, calls, accesses, limits.

usage: compiled_code_test.py SCRIPTS
"""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, sys.argv.pop(1))
import compiled_code  # noqa: E402
import sass  # noqa: E402


def kernel(*lines, name="k"):
    """A kernel of lines: 'LABEL:' or an instruction."""
    text = [f'\t.section\t.text.{name},"ax",@progbits', f".text.{name}:"]
    offset = 0
    for line in lines:
        if line.endswith(":"):
            text.append(line)
        else:
            text.append(f"        /*{offset:04x}*/                   {line} ;")
            offset += 16
    (read,) = sass.read("\n".join(text))
    return read


def loops(*lines):
    return [[at.offset // 16 for at in loop] for loop in kernel(*lines).loops()]


class Loops(unittest.TestCase):
    def test_straight_code_and_the_end_of_a_kernel_have_none(self):
        self.assertEqual(loops("MOV R1, R2", "@P0 EXIT", "EXIT", ".L_x_0:", "BRA `(.L_x_0)", "NOP"), [])

    def test_a_block_that_branches_to_itself(self):
        self.assertEqual(loops("MOV R1, R2", ".L_x_0:", "FADD R1, R1, R2", "@P0 BRA `(.L_x_0)", "EXIT"), [[1, 2]])

    def test_nested_loops_and_innermost(self):
        code = ("MOV R1, R2", ".L_x_0:", "FADD R1, R1, R2", ".L_x_1:", "FMUL R1, R1, R1", "@P0 BRA `(.L_x_1)", "@P1 BRA `(.L_x_0)", "EXIT")
        self.assertEqual(loops(*code), [[1, 2, 3, 4], [2, 3]])
        self.assertEqual([len(loop) for loop in compiled_code.innermost(kernel(*code).loops())], [2])

    def test_a_part_of_the_loop_that_lies_behind_its_end(self):
        self.assertEqual(loops(".L_x_0:", "FADD R1, R1, R2", "@P0 BRA `(.L_x_2)", ".L_x_1:", "@P1 BRA `(.L_x_0)", "EXIT",
                               ".L_x_2:", "FMUL R1, R1, R1", "BRA `(.L_x_1)"), [[0, 1, 2, 4, 5]])

    def test_a_backward_branch_into_the_middle_of_shared_code_is_no_loop(self):
        # Both ways reach the label first in order, but it does not lead to the branch.
        self.assertEqual(loops("@P0 BRA `(.L_x_1)", ".L_x_0:", "EXIT", ".L_x_1:", "BRA `(.L_x_0)"), [])

    def test_bsync_goes_where_its_bssy_said(self):
        code = (".L_x_0:", "BSSY B0, `(.L_x_2)", "@P0 BRA `(.L_x_3)", "BRA `(.L_x_1)", ".L_x_3:", "FADD R1, R1, R2", ".L_x_1:", "BSYNC B0", "EXIT",
                ".L_x_2:", "@P1 BRA `(.L_x_0)", "EXIT")
        self.assertEqual(loops(*code), [[0, 1, 2, 3, 4, 6]])

    def test_a_conditional_call_of_a_place_leaves_the_loop(self):
        code = (".L_x_0:", "FADD R1, R1, R2", "@P0 CALL.REL.NOINC `(.L_x_1)", "BRA `(.L_x_0)", ".L_x_1:", "EXIT")
        self.assertEqual(loops(*code), [[0, 1, 2]])
        self.assertEqual(list(kernel(*code).calls()), [])

    def test_a_routine_that_is_called_is_no_part_of_the_loop(self):
        code = (".L_x_0:", "CALL.REL.NOINC `($__internal_7_$__cuda_sm20_div_s64)", "@P0 BRA `(.L_x_0)", "EXIT",
                "$__internal_7_$__cuda_sm20_div_s64:", "IMAD R1, R1, R1, R1", "RET.REL.NODEC R2 `(k)")
        self.assertEqual(loops(*code), [[0, 1]])
        self.assertEqual(list(kernel(*code).calls()), ["__cuda_sm20_div_s64"])

    def test_a_loop_of_a_routine_that_is_called(self):
        self.assertEqual(loops("CALL.REL.NOINC `($k$f)", "EXIT", "$k$f:", "FADD R1, R1, R2", "@P0 BRA `($k$f)", "RET.REL.NODEC R2 `(k)"), [[2, 3]])

    def test_two_conditions_and_a_table_of_targets(self):
        self.assertEqual(loops(".L_x_0:", "FADD R1, R1, R2", "@!P1 BRA !P2, `(.L_x_0)", "EXIT"), [[0, 1]])
        self.assertEqual(loops(".L_x_0:", "BRA.DIV ~URZ, `(.L_x_1)", "@P0 BRA `(.L_x_0)", ".L_x_1:", "EXIT"), [[0, 1]])
        self.assertEqual(loops(".L_x_0:", "FADD R1, R1, R2", 'BRX R2 -0x10 (*"BRANCH_TARGETS .L_x_0,.L_x_1"*)', ".L_x_1:", "EXIT"), [[0, 1]])


class Lines(unittest.TestCase):
    def test_a_line_that_cannot_be_read_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "line 3 of the disassembly"):
            kernel("{ 3 }")

    def test_widths_and_spaces(self):
        for line, space, size in (("LDG.E.LTC128B.64 R2, desc[UR4][R2.64]", "global", 8), ("STG.E.U16 [R2.64], R4", "global", 2),
                                  ("LDSM.16.MT88.4 R4, [R8]", "shared", 16), ("LDSM.16.M88.2 R4, [R8]", "shared", 8), ("LDS.U8 R1, [R2]", "shared", 1),
                                  ("LDGSTS.E.BYPASS.128 [R1], [R2.64]", "copy", 16), ("LD.E R1, [R2.64]", "generic", 4), ("ST.E.128 [R2.64], R4", "generic", 16),
                                  ("ATOM.E.ADD R1, [R2.64], R3", "generic", 4), ("STL [R1], R2", "local", 4), ("LDC.64 R2, c[0x0][0x8]", None, 8),
                                  ("@!PT LDS RZ, [RZ]", None, 4), ("HFMA2.MMA R1, R2, R3, R4", None, 4)):
            (at,) = kernel(line).instructions
            self.assertEqual((at.space, at.bytes, at.tensor_core), (space, size, False), line)
        for line in ("HMMA.16816.F32.BF16 R4, R8, R10, R4", "HGMMA.64x64x16.F32.BF16 R24, gdesc[UR4], R24"):
            self.assertTrue(kernel(line).instructions[0].tensor_core, line)


class Measures(unittest.TestCase):
    def setUp(self):
        hmma = ["HMMA.16816.F32.BF16 R4, R8, R10, R4"] * 16
        self.code = compiled_code.Code(kernel(
            "LDG.E.128 R4, [R2.64]", "LDG.E.64 R4, [R2.64]", "LDG.E R4, [R2.64]", "LD.E R4, [R2.64]", "STL [R1], R4", "CALL.REL.NOINC `($__internal_0_$__cuda_sm20_div_s64)",
            "CALL.REL.NOINC `($__internal_1_$__cuda_sm20_rcp_rn_f32_slowpath)", ".L_x_0:", *hmma, "LDGSTS.E.BYPASS.128 [R1], [R2.64]",
            "LDGSTS.E.BYPASS.128 [R1], [R2.64]", "BAR.SYNC 0x0", "MUFU.EX2 R1, R1", "@P1 BRA `(.L_x_1)", ".L_x_1:", "@P2 BRA `(.L_x_2)", ".L_x_2:",
            "@P0 BRA `(.L_x_0)", ".L_x_3:", "FADD R1, R1, R1", "@P0 BRA `(.L_x_3)", "EXIT", name="kernel"))

    def test_a_loop_with_tensor_cores_is_the_hot_one(self):
        (loop,) = self.code.loops
        self.assertEqual((loop.begin, loop.slots, loop.tensor_core, loop.branches, loop.copies, loop.barriers, loop.mufu), (0x70, 23, 16, 3, 2, 1, 1))
        self.assertIn("23 slots, 16 tensor-core, 3 branches (12.0 per 64), 2 copies (11.5 slots each), 1 barriers, 1 mufu", loop.row())

    def test_every_limit_is_compared(self):
        self.assertEqual({name: value for name, (value, _) in self.code.measures().items()},
                         {"calls": 1, "generic": 1, "local": 1, "wide": 80, "branches": 12.0, "slots": 23})
        self.assertEqual(self.code.rare, 1)
        exact = {"calls": 1, "generic": 1, "local": 1, "wide": 80, "branches": 12, "slots": 23}
        self.assertEqual(list(compiled_code.violations([self.code], [("ker*", exact)])), [])
        for measure, limit in exact.items():
            tighter = limit + 1 if measure == "wide" else limit - 1
            (line,) = compiled_code.violations([self.code], [("*", {measure: tighter}), ("k?rnel", {"other": 0})])
            self.assertIn(f"kernel: {measure} {limit}", line)
        self.assertEqual(list(compiled_code.violations([self.code], [("*", {"calls": 0}), ("kernel", {"calls": 1}), ("other", {"calls": 0})])), [])

    def test_a_limit_of_no_kernel_is_reported(self):
        self.assertEqual(compiled_code.unused([self.code], [("*", {}), ("k?rnel", {}), ("kernels", {})]), ["kernels: no kernel has this name"])

    def test_limits_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "limits"
            path.write_text("# of all\n*  calls 0  wide 80\nattention_kernel<64, *>  branches 8.5  # today\n")
            self.assertEqual(compiled_code.read_limits(path), [("*", {"calls": 0, "wide": 80}), ("attention_kernel<64, *>", {"branches": 8.5})])
            for line in ("*  cals 0", "*", "*  calls", "* calls 0", "*  calls few"):
                path.write_text(line)
                with self.assertRaisesRegex(SystemExit, "limits:1: expected KERNEL"):
                    compiled_code.read_limits(path)


if __name__ == "__main__":
    unittest.main()
