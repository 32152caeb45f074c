"""Test the administration in browsers: live changes, every width, and without JavaScript."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import FilePayload, expect

from deskwire.server.control import send_command
from tests.browser.conftest import OpenVisitor
from tests.browser.test_account_linking import ask
from tests.browser.test_page_layout import LONG, assert_fits
from tests.fixtures.browser_company import create_organization
from tests.fixtures.cast import Persona
from tests.fixtures.guild import GuildFixture
from tests.fixtures.running_desk import run_sql_directly
from tests.fixtures.visitor import Visitor


def add_staff(guild: GuildFixture, persona: Persona, role: str) -> str:
    """Someone of the team moves in; their cookie."""
    cookie = guild.server.create_account(persona)
    ask(guild, "people.employ", persona, role=role)
    return cookie


def open_person(admin: Visitor, persona: Persona) -> None:
    admin.open(f"/admin/people?q={persona.email}")
    admin.find("a.row-link").click()
    expect(admin.page.get_by_role("heading", level=1)).to_have_text(persona.name)


def click_button(admin: Visitor, name: str) -> None:
    admin.page.get_by_role("button", name=name, exact=True).click()


def test_an_admin_action_appears_for_other_admins_and_for_the_person_concerned(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    mo = open_visitor(add_staff(guild, guild.mo, "super_admin"))
    ada = open_visitor(add_staff(guild, guild.ada, "operations_manager"))
    bo = open_visitor(guild.server.create_account(guild.bo), "/settings")
    ada.open(f"/admin/people?q={guild.bo.email}")
    open_person(mo, guild.bo)

    click_button(mo, "Unlink")
    expect(ada.find(".person-places")).not_to_contain_text("Discord")
    expect(bo.find("#account")).to_contain_text("Not linked")
    assert "Discord account unlinked" not in ada.find("#toasts").inner_text()
    mo.find("summary").filter(has_text="Deactivate").click()
    click_button(mo, "Deactivate")
    expect(ada.find("#content")).to_contain_text("deactivated")
    expect(bo.page).to_have_url(f"{guild.server.url}/sign-in")
    open_person(mo, guild.ada)
    ada.expect_status(403)  # of a part that is just being reloaded
    click_button(mo, "Remove from team")

    expect(ada.find("#content")).to_contain_text("no longer have access")
    expect(ada.find("#content")).not_to_contain_text(guild.bo.email)


def test_a_list_of_keys_follows_what_happens_to_them_elsewhere_without_a_reload(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    mo = open_visitor(add_staff(guild, guild.mo, "super_admin"))
    ada = open_visitor(add_staff(guild, guild.ada, "super_admin"))
    name, slug = f"Lighthouse {guild.guild_id}", f"quay-{guild.guild_id}"
    create_organization(mo, f"Quay {guild.guild_id}")

    for path, keys in (("/admin/keys", "#key-list"), (f"/orgs/{slug}/settings", "#keys")):
        ada.open(path)
        ada.evaluate("() => { window.isTheSamePage = true }")
        listed = ada.find(f"{keys} li").filter(has_text=name)
        mo.open(path)
        if path == "/admin/keys":
            mo.find("[name=kind][value=bot]").check()
        mo.find("#key-name").fill(name)
        click_button(mo, "Create key")
        expect(mo.find("#new-token")).to_contain_text("dw_")
        expect(listed).to_have_count(1)

        renamed = f"UPDATE api_keys SET name = '{name} II' WHERE name = '{name}'"
        run_sql_directly(guild.server.database_url, f"{renamed} AND revoked_at IS NULL")
        expect(listed).to_contain_text(f"{name} II")

        mo.open(path)
        mo.find(f"[aria-label='Revoke {name} II…']").click()
        click_button(mo, "Revoke")
        expect(listed).to_have_count(0)
        expect(mo.find(f"{keys} li").filter(has_text=name)).to_have_count(0)
        assert ada.evaluate("() => window.isTheSamePage")


def test_deliveries_appear_live_and_a_burst_makes_few_requests(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    cookie = add_staff(guild, guild.mo, "super_admin")
    mo = open_visitor(cookie, "/admin/deliveries")
    other, third = mo.new_tab(), mo.new_tab()

    guild.server.post_event("ticket.created", {"guildId": guild.guild_id})
    parked = mo.find(".delivery-row").first
    expect(parked).to_contain_text("Parked")
    path = parked.locator("a").get_attribute("href") or ""
    other.goto(path)
    third.goto("/admin/deliveries?state=dismissed")
    expect(other.locator("#live")).to_have_attribute("data-state", "live")
    send_command(guild.server.database_file, "deliveries.dismiss", {"id": path.rpartition("/")[2]})
    expect(other.locator("#content")).to_contain_text("Dismissed")
    expect(third.locator(f'a[href="{path}"]')).to_be_visible()
    expect(mo.find(f'.delivery-row:has(a[href="{path}"])')).to_contain_text("Dismissed")
    other.close()
    third.close()

    mo.page.bring_to_front()
    mo.fragment_requests.clear()
    for number in range(1, 81):
        guild.open_ticket(number, "One of many")

    expect(mo.find(".delivery-row").filter(has_text="Processed")).to_have_count(50)
    assert 0 < len(mo.fragment_requests) < 60


@pytest.mark.parametrize("width", [360, 1280])
def test_no_admin_page_overflows_its_width(
    guild: GuildFixture, open_visitor: OpenVisitor, width: int
) -> None:
    mo = open_visitor(add_staff(guild, guild.mo, "super_admin"), width=width)
    guild.open_ticket(1, LONG)
    guild.server.create_account(Persona(f"{LONG[:50]}{width} Long", guild.bo.discord_id))
    create_organization(mo, f"{LONG[:70]}{width}")

    for path in ("", "/people", "/people?group=team", "/organizations", "/deliveries"):
        mo.open(f"/admin{path}")
        assert_fits(mo)
    mo.find(".delivery-row a").first.click()
    expect(mo.find(".payload")).to_be_visible()
    assert_fits(mo)
    open_person(mo, guild.mo)
    assert_fits(mo)


def test_without_javascript_a_picture_is_uploaded_and_a_role_assigned(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    mo = open_visitor(add_staff(guild, guild.mo, "super_admin"), "/settings", javascript=False)
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), "navy").save(picture, "PNG")
    chosen = FilePayload(name="me.png", mimeType="image/png", buffer=picture.getvalue())

    mo.page.get_by_label("Choose picture").set_input_files(chosen)
    click_button(mo, "Upload picture")
    expect(mo.find("main")).to_contain_text("Picture changed.")
    expect(mo.find("#account img")).to_have_js_property("naturalWidth", 192)
    guild.server.create_account(guild.dee)
    open_person(mo, guild.dee)
    mo.expect_status(409)
    click_button(mo, "Add to team")

    expect(mo.find("main")).to_contain_text("hasn’t confirmed")
