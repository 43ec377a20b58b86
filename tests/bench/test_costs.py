"""What work costs is measured beside what the compiler takes it to cost."""

from bench import costs as question
from wonderland.compiler.kernel import costs


def test_every_rate_of_the_compiler_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(question, "SECONDS", 0.001)
    assert question.report() == 0
    text = capsys.readouterr().out
    rates = (costs.FLOPS_A_SECOND, costs.BYTES_A_SECOND, costs.LAUNCH_SECONDS, costs.HOST_SECONDS)
    for rate in (*rates, costs.BYTES_A_CYCLE, costs.LOOP_CYCLES, costs.NEAR, costs.FAR):
        assert f" {rate:.3g} " in text
